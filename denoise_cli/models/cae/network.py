"""`cae`: a convolutional autoencoder with strided and transposed convolutions."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from denoise_cli.models.base import Denoiser
from denoise_cli.models.layers import conv_bn_relu


def _upsample(channels_in: int, channels_out: int, bias: bool) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1, bias=bias)


class CAE(Denoiser):
    """Encoder 16, 32, 64 channels at 1/2, 1/4, 1/8 resolution; decoder 32, 16, 3; sigmoid."""

    size_multiple: ClassVar[int] = 8

    def __init__(self, batch_norm: bool = True) -> None:
        super().__init__()
        encoder: list[nn.Module] = []
        for a, b in ((3, 16), (16, 32), (32, 64)):
            encoder += [conv_bn_relu(a, b, batch_norm, stride=2), conv_bn_relu(b, b, batch_norm)]
        decoder: list[nn.Module] = []
        for a, b in ((64, 32), (32, 16)):
            decoder.append(_upsample(a, b, bias=not batch_norm))
            if batch_norm:
                decoder.append(nn.BatchNorm2d(b))
            decoder += [nn.ReLU(inplace=True), conv_bn_relu(b, b, batch_norm)]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)
        self.last = _upsample(16, 3, bias=True)

    def restore(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.decoder(self.encoder(x)))
        return logits.sigmoid()
