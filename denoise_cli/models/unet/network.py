"""`unet`: the study's four-level U-Net (Ronneberger et al., 2015, with padding)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.base import Denoiser
from denoise_cli.models.layers import conv_bn_relu

WIDTHS = (16, 32, 64, 128)
BOTTLENECK = 256


def _double_conv(channels_in: int, channels_out: int, batch_norm: bool) -> nn.Sequential:
    return nn.Sequential(
        conv_bn_relu(channels_in, channels_out, batch_norm),
        conv_bn_relu(channels_out, channels_out, batch_norm),
    )


class UNet(Denoiser):
    """Levels of 16, 32, 64, 128 channels, bottleneck 256, 1x1 convolution and sigmoid.

    Args:
        batch_norm: Normalise after each hidden 3x3 convolution.
        guidance_channels: Extra channels that join the deepest decoder level (1/8 of the
            picture's height and width); 0 for the plain network.
    """

    size_multiple: ClassVar[int] = 16

    def __init__(self, batch_norm: bool = True, guidance_channels: int = 0) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _double_conv(a, b, batch_norm) for a, b in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        self.bottleneck = _double_conv(WIDTHS[-1], BOTTLENECK, batch_norm)
        self.upsample = nn.ModuleList()
        self.up = nn.ModuleList()
        below, extra = BOTTLENECK, guidance_channels
        for width in reversed(WIDTHS):
            self.upsample.append(nn.ConvTranspose2d(below, width, 2, stride=2))
            self.up.append(_double_conv(2 * width + extra, width, batch_norm))
            below, extra = width, 0
        self.last = nn.Conv2d(WIDTHS[0], 3, 1, bias=not batch_norm)

    def restore(self, x: Tensor, guidance: Tensor | None = None, film: tuple[Tensor, ...] = ()) -> Tensor:
        """Denoise `x` (B, 3, H, W).

        Args:
            guidance: (B, guidance_channels, H/8, W/8), joins the deepest decoder level.
            film: Modulations (B, 2C, 1, 1) of the bottleneck and of the deepest decoder level.
        """
        skips = []
        pending = list(film)
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        if pending:
            x = modulate(x, pending.pop(0))
        for upsample, block in zip(self.upsample, self.up, strict=True):
            parts = [skips.pop(), upsample(x)]
            if guidance is not None:
                parts.append(guidance.to(x.dtype))
                guidance = None
            x = block(torch.cat(parts, dim=1))
            if pending:
                x = modulate(x, pending.pop(0))
        logits: Tensor = self.last(x)
        return logits.sigmoid()


def modulate(x: Tensor, film: Tensor) -> Tensor:
    """FiLM (Perez et al., 2018): (1 + gamma) x + beta; `film` (B, 2C, 1, 1) holds gamma, then beta."""
    gamma, beta = film.to(x.dtype).chunk(2, dim=1)
    return (1 + gamma) * x + beta
