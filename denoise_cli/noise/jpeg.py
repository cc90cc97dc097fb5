"""The loss of baseline JPEG, batched and on any device.

Only quantisation loses anything in JPEG, so the entropy coding is left out. Tables and
quality scaling follow ITU-T T.81 annex K and libjpeg; colour is JFIF's YCbCr.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue (Rec. 601)."""
_TO_YCC = (LUMA_WEIGHTS, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Compress and decompress pictures with 4:2:0 chroma.

    Args:
        x: Pictures (B, 3, H, W) in [0, 1].
        quality: (B,) in 1 to 100, on the scale of libjpeg.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("dc,bchw->bdhw", x.new_tensor(_TO_YCC), x * 255)
    luma, chroma = ycc[:, :1] - 128, F.avg_pool2d(ycc[:, 1:], 2)
    luma = _quantise(luma, _table(_LUMA, quality.to(x))) + 128
    chroma = _quantise(chroma, _table(_CHROMA, quality.to(x)))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = torch.einsum("dc,bchw->bdhw", x.new_tensor(_TO_RGB), torch.cat([luma, chroma], 1))
    return (rgb.round() / 255).clamp(0, 1)[..., :height, :width]


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Quantisation steps (B, 1, 1, 1, 8, 8) at each quality."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1)
    steps = ((quality.new_tensor(base) * scale + 50) / 100).floor().clamp(1, 255)
    return steps.view(-1, 1, 1, 1, 8, 8)


def _quantise(planes: Tensor, steps: Tensor) -> Tensor:
    """Round the 8x8 DCT coefficients of `planes` (B, C, H, W) to multiples of `steps`."""
    b, c, h, w = planes.shape
    dct = _dct_matrix().to(planes)
    blocks = planes.view(b, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    coefficients = dct @ blocks @ dct.T
    blocks = dct.T @ ((coefficients / steps).round() * steps) @ dct
    return blocks.transpose(3, 4).reshape(b, c, h, w)


def _dct_matrix() -> Tensor:
    """The orthonormal 8-point DCT-II."""
    k = torch.arange(8.0).view(8, 1)
    n = torch.arange(8.0).view(1, 8)
    matrix = 0.5 * torch.cos(math.pi * k * (2 * n + 1) / 16)
    matrix[0] /= math.sqrt(2)
    return matrix
