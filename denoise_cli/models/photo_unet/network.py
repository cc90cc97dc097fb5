"""`photo_unet`: a residual, noise-blind U-Net for photographs of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.base import Denoiser

# Residual branches, upsampled features and the predicted noise all start small, so that a network
# without normalisation starts near the identity.
_BRANCH_GAIN = 0.1
_LAST_GAIN = 0.01


class PhotoUNet(Denoiser):
    """Finds the noise on pixel-unshuffled input and subtracts it.

    Plain 3x3 convolutions with biases at 1/2, 1/4 and 1/8 resolution, where they are cheap;
    residual blocks without normalisation; 2x2 convolutions with stride 2 down and transposed
    ones up; skips are added. Everything is local, so tiles agree with the whole picture.

    The output is clamped to [0, 1] in eval mode only: training needs the gradients outside.
    The input may lie outside, as unclipped noise does.

    Args:
        widths: Channels at 1/2 resolution, 1/4, and so on.
        blocks: Residual blocks of each encoder level, and again of its decoder level; the last
            number is for the deepest level, which is passed once.
    """

    size_multiple: ClassVar[int] = 8

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (2, 2, 4)) -> None:
        super().__init__()
        levels = list(zip(widths[:-1], blocks[:-1], strict=True))
        self.first = nn.Conv2d(12, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(*level) for level in levels)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = _blocks(widths[-1], blocks[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(list(pairwise(widths)))
        )
        self.decoder = nn.ModuleList(_blocks(*level) for level in reversed(levels))
        self.last = nn.Conv2d(widths[0], 12, 3, padding=1)
        self._initialise()

    def restore(self, x: Tensor) -> Tensor:
        y = self.first(F.pixel_unshuffle(x, 2))
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            y = blocks(y)
            skips.append(y)
            y = down(y)
        y = self.middle(y)
        for up, blocks in zip(self.up, self.decoder, strict=True):
            y = blocks(up(y) + skips.pop())
        y = x - F.pixel_shuffle(self.last(y), 2)
        return y if self.training else y.clamp(0, 1)

    def _initialise(self) -> None:
        """He initialisation (He et al., 2015), weaker where branches are added; biases 0.

        The first 12 channels are the picture itself: finding the noise begins with copying it.
        """
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            # Each output of a 2x2 transposed convolution with stride 2 sees one input pixel.
            fan_in = module.in_channels * (1 if module.transposed else module.weight[0, 0].numel())
            is_branch = module.transposed or name.endswith("second")
            gain = _LAST_GAIN if name == "last" else _BRANCH_GAIN if is_branch else 1.0
            followed_by_relu = name.endswith(".first")
            nn.init.normal_(module.weight, std=gain * ((2 if followed_by_relu else 1) / fan_in) ** 0.5)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        picture = nn.init.dirac_(torch.empty(12, 12, 3, 3))
        self.first.weight.data[: len(picture)] = picture[: len(self.first.weight)]


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(x), inplace=True))
        return x + y


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
