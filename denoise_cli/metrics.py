"""PSNR and SSIM, batched, equal to scikit-image; and the study's own protocol."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, in dB, data range 1.

    Args:
        x, y: (B, C, H, W).

    Returns:
        (B,): 10 log10(1 / MSE) over all colour values; infinite where they are equal.
    """
    return -10 * (x - y).square().flatten(1).mean(1).log10()


def ssim(x: Tensor, y: Tensor, *, zero_padding: bool = False) -> Tensor:
    """Structural similarity of each picture (Wang et al., 2004), data range 1.

    Gaussian window 11x11 with sigma 1.5, K = (0.01, 0.03), averaged over pixels and channels.
    As scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`, which leaves out a border of 5 pixels.

    Args:
        x, y: (B, C, H, W).
        zero_padding: Keep the border and pad with zeros, as the study did.

    Returns:
        (B,).

    Raises:
        ValueError: A side is shorter than the window.
    """
    if not zero_padding and min(x.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels.")
    channels = x.shape[1]
    maps = torch.cat([x, y, x * x, y * y, x * y], dim=1)
    mean_x, mean_y, xx, yy, xy = _blur(maps, WINDOW // 2 if zero_padding else 0).split(channels, 1)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    numerator = (2 * product + _K1**2) * (2 * (xy - product) + _K2**2)
    denominator = (squares + _K1**2) * (xx + yy - squares + _K2**2)
    return (numerator / denominator).flatten(1).mean(1)


def study_psnr(x: Tensor, y: Tensor) -> Tensor:
    """PSNR of the pooled MSE of one batch (B, C, H, W), a scalar in dB, as the study scores."""
    return -10 * (x - y).square().mean().log10()


def study_ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of one batch with zero padding, a scalar, as the study scores."""
    return ssim(x, y, zero_padding=True).mean()


def _blur(x: Tensor, padding: int) -> Tensor:
    """Convolve every plane of `x` (B, C, H, W) with the Gaussian window."""
    taps = torch.exp(-((torch.arange(WINDOW, device=x.device) - WINDOW // 2) ** 2) / (2 * _SIGMA**2))
    taps = (taps / taps.sum()).to(x.dtype)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = F.conv2d(planes, taps.view(1, 1, -1, 1), padding=(padding, 0))
    planes = F.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, padding))
    return planes.view(*x.shape[:2], *planes.shape[-2:])
