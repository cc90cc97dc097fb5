"""PSNR and SSIM, batched, equal to scikit-image; and the study's own protocol."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03
# Pictures are worked on in pieces of this side (or as many small ones as have that area),
# so that all maps of a piece stay in the processor's cache: three to five times faster than whole.
_TILE = 256


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
    if zero_padding:
        x, y = (F.pad(v, (WINDOW // 2,) * 4) for v in (x, y))
    elif min(x.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW}x{WINDOW} pixels.")
    batch, channels, height, width = x.shape
    rows, columns = height - WINDOW + 1, width - WINDOW + 1
    count = max(1, _TILE**2 // (height * width))
    total = x.new_zeros(batch)
    for start in range(0, batch, count):
        for top in range(0, rows, _TILE):
            for left in range(0, columns, _TILE):
                tile = (
                    slice(start, start + count),
                    slice(None),
                    slice(top, top + _TILE + WINDOW - 1),
                    slice(left, left + _TILE + WINDOW - 1),
                )
                total[start : start + count] += _ssim_map(x[tile], y[tile]).flatten(1).sum(1)
    return total / (channels * rows * columns)


def study_psnr(x: Tensor, y: Tensor) -> Tensor:
    """PSNR of the pooled MSE of one batch (B, C, H, W), a scalar in dB, as the study scores."""
    return -10 * (x - y).square().mean().log10()


def study_ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of one batch with zero padding, a scalar, as the study scores."""
    return ssim(x, y, zero_padding=True).mean()


def _ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM at every pixel (B, C, H-10, W-10) whose window lies inside `x` and `y`."""
    maps = torch.cat([x, y, x * x + y * y, x * y], dim=1)
    mean_x, mean_y, squares, product = _blur(maps).chunk(4, 1)
    # Only the sum of the two variances is needed, so that one map is blurred for both.
    means, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    numerator = (2 * means + _K1**2) * (2 * (product - means) + _K2**2)
    denominator = (mean_squares + _K1**2) * (squares - mean_squares + _K2**2)
    return numerator / denominator


def _blur(x: Tensor) -> Tensor:
    """Convolve every plane of `x` (B, C, H, W) with the Gaussian window, inside the border."""
    channels = x.shape[1]
    taps = torch.exp(-((torch.arange(WINDOW, device=x.device) - WINDOW // 2) ** 2) / (2 * _SIGMA**2))
    taps = (taps / taps.sum()).to(x.dtype)
    if x.device.type == "cpu":
        # The fast layout there. On a GPU it would go to cuDNN, which may round to TF32: the
        # variances are small differences that its 10 bits would drown.
        x = x.contiguous(memory_format=torch.channels_last)
    x = F.conv2d(x, taps.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(x, taps.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
