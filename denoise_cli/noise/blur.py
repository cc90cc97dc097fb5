"""Gaussian blur with a width per picture, for noise that is correlated between pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Beyond three standard deviations a Gaussian holds 0.3 % of its weight.
_REACH = 3.0


def reach(sigma: float) -> int:
    """Pixels on each side that a blur of `sigma` pixels looks at."""
    return math.ceil(_REACH * sigma)


def gaussian_blur(planes: Tensor, sigma: Tensor, margin: int, *, unit_energy: bool = False) -> Tensor:
    """Blur each picture by its own width and cut off the border that this makes wrong.

    Args:
        planes: (B, C, H, W), drawn `margin` pixels larger on every side.
        sigma: (B,) standard deviation in pixels, on the CPU; 0 does not blur. `margin` should
            be at least `reach` of the largest.
        margin: Pixels cut from every side.
        unit_energy: Scale the kernels so that the variance of white noise stays, instead of the mean.

    Returns:
        (B, C, H - 2 margin, W - 2 margin).
    """
    b, c, h, w = planes.shape
    offsets = torch.arange(-margin, margin + 1.0).view(1, -1)
    taps = torch.exp(-(offsets**2) / (2 * sigma.clamp(min=1e-3).view(-1, 1) ** 2))
    norm = taps.square().sum(1, keepdim=True).sqrt() if unit_energy else taps.sum(1, keepdim=True)
    taps = (taps / norm).to(planes)
    kernels = taps.repeat_interleave(c, 0)
    rows = F.conv2d(planes.reshape(1, b * c, h, w), kernels.view(b * c, 1, 1, -1), groups=b * c)
    both = F.conv2d(rows, kernels.view(b * c, 1, -1, 1), groups=b * c)
    return both.view(b, c, h - 2 * margin, w - 2 * margin)
