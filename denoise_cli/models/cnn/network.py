"""`cnn`: six 3x3 convolutions at full resolution."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from denoise_cli.models.base import Denoiser
from denoise_cli.models.layers import conv_bn_relu


class CNN(Denoiser):
    """3 -> 32 -> 64 -> 128 -> 64 -> 32 -> 3 channels, stride 1, sigmoid at the end.

    With batch normalisation the last convolution has no bias either, as in the study.
    """

    size_multiple: ClassVar[int] = 1

    def __init__(self, batch_norm: bool = True) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 64, 32)
        self.hidden = nn.Sequential(*(conv_bn_relu(a, b, batch_norm) for a, b in pairwise(widths)))
        self.last = nn.Conv2d(widths[-1], 3, 3, padding=1, bias=not batch_norm)

    def restore(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.hidden(x))
        return logits.sigmoid()
