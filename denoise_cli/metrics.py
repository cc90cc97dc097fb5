"""PSNR and SSIM, batched, equal to scikit-image; and the study's own protocol."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03
_WHITE: dict[np.dtype[Any], float] = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
# Pictures are worked on in pieces of this side (or as many small ones as have that area),
# so that all maps of a piece stay in the processor's cache: three to five times faster than whole.
_TILE = 256


@overload
def psnr(x: Tensor, y: Tensor) -> Tensor: ...
@overload
def psnr(x: NDArray[Any], y: NDArray[Any]) -> Any: ...
def psnr(x: Tensor | NDArray[Any], y: Tensor | NDArray[Any]) -> Any:
    """Peak signal-to-noise ratio of each picture, in dB: 10 log10(1 / MSE) over all colour values.

    Args:
        x, y: Tensors (B, C, H, W) of float in [0, 1]; or NumPy arrays, uint8, uint16, or float in
            [0, 1], of that shape or of one picture as `denoise` takes it: (H, W) or (H, W, C).

    Returns:
        Tensor or array (B,), or a float for one picture; infinite where the pictures are equal.

    Raises:
        TypeError: Neither two tensors nor two arrays.
        ValueError: They differ in shape or dtype, or have none of these shapes and dtypes.
    """
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return _unbatched(psnr(*_batches(x, y)), x)
    _check_tensors(x, y)
    return -10 * (x - y).square().flatten(1).mean(1).log10()


@overload
def ssim(x: Tensor, y: Tensor, *, zero_padding: bool = False) -> Tensor: ...
@overload
def ssim(x: NDArray[Any], y: NDArray[Any], *, zero_padding: bool = False) -> Any: ...
def ssim(x: Tensor | NDArray[Any], y: Tensor | NDArray[Any], *, zero_padding: bool = False) -> Any:
    """Structural similarity of each picture (Wang et al., 2004), data range 1.

    Gaussian window 11x11 with sigma 1.5, K = (0.01, 0.03), averaged over pixels and channels.
    As scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`, which leaves out a border of 5 pixels.

    Args:
        x, y: As `psnr` takes them.
        zero_padding: Keep the border and pad with zeros, as the study did.

    Returns:
        Tensor or array (B,), or a float for one picture.

    Raises:
        TypeError, ValueError: As `psnr`; and `ValueError` where a side is shorter than the window.
    """
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return _unbatched(ssim(*_batches(x, y), zero_padding=zero_padding), x)
    _check_tensors(x, y)
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


def paper_psnr(x: Tensor, y: Tensor) -> Tensor:
    """PSNR of the pooled MSE of one batch (B, C, H, W), a scalar in dB, as the study scores."""
    return -10 * (x - y).square().mean().log10()


def paper_ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of one batch with zero padding, a scalar, as the study scores."""
    return ssim(x, y, zero_padding=True).mean()


def _check_tensors(x: object, y: object) -> None:
    """Refuse what is no pair of batches of pictures: wrapped integers and broadcasts score silently."""
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor or a NumPy array, not {type(value).__name__}")
        if value.ndim != 4 or not value.is_floating_point():
            raise ValueError(
                f"{name} must be a tensor (B, C, H, W) of float in [0, 1], not {value.dtype} of shape "
                f"{tuple(value.shape)}"
            )
    assert isinstance(x, Tensor) and isinstance(y, Tensor)
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one shape, not {tuple(x.shape)} and {tuple(y.shape)}")


def _batches(x: object, y: object) -> tuple[Tensor, Tensor]:
    """Two arrays as tensors (B, C, H, W) in [0, 1]; errors as `psnr`."""
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{name} must be a NumPy array as the other is, not {type(value).__name__}")
        if value.ndim not in {2, 3, 4} or 0 in value.shape:
            raise ValueError(f"{name} must have shape (H, W), (H, W, C) or (B, C, H, W), not {value.shape}")
        if value.dtype.kind != "f" and value.dtype.newbyteorder("=") not in _WHITE:
            raise ValueError(f"{name} must be uint8, uint16 or float, not {value.dtype}")
    assert isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
    if x.shape != y.shape or _white(x) != _white(y):
        raise ValueError(
            f"x and y must have one shape and range, not {x.shape} {x.dtype} and {y.shape} {y.dtype}"
        )
    return _batch(x), _batch(y)


def _white(array: NDArray[Any]) -> float:
    return _WHITE.get(array.dtype.newbyteorder("="), 1.0)


def _batch(array: NDArray[Any]) -> Tensor:
    values = array.astype(np.float64) / _white(array)
    if values.ndim < 4:
        values = np.moveaxis(values.reshape(*values.shape[:2], -1), 2, 0)[None]
    return torch.from_numpy(values)


def _unbatched(scores: Tensor, like: NDArray[Any] | Tensor) -> NDArray[np.float64] | float:
    return scores.numpy() if like.ndim == 4 else scores.item()


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
