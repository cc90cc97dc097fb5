"""Between a file's pixels and what a network takes: grey, alpha, integer depths."""

from __future__ import annotations

from typing import Any

import numpy as np

from denoise_cli.photo.pixels.types import Array, Pixels

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CACHED_ROWS = 64
_MAXIMUM = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}


def to_planes(pixels: Pixels, out: Array | None = None) -> Array:
    """Pixels (H, W, C) of a file as float32 (C, H, W) in [0, 1]; into `out` where it is given."""
    planes = np.empty((pixels.shape[2], *pixels.shape[:2]), np.float32) if out is None else out
    np.copyto(planes, pixels.transpose(2, 0, 1))
    maximum = _MAXIMUM[pixels.dtype]
    if maximum == 1.0:
        return np.clip(np.nan_to_num(planes, copy=False), 0, 1, out=planes)
    planes *= np.float32(1 / maximum)
    return planes


def from_planes(planes: Array, dtype: np.dtype[Any]) -> Pixels:
    """Float planes (C, H, W) as pixels (H, W, C) of `dtype`, clipped and rounded."""
    pixels = np.empty((*planes.shape[1:], len(planes)), dtype)
    fill_pixels(pixels, planes)
    return pixels


def fill_pixels(pixels: Pixels, planes: Array) -> None:
    """Write float planes (C, H, W) into pixels (H, W, C), clipped and rounded."""
    maximum = np.float32(_MAXIMUM[pixels.dtype])
    # A few rows at a time stay in the processor's cache: four times as fast as all at once.
    for top in range(0, planes.shape[1], _CACHED_ROWS):
        rows = planes[:, top : top + _CACHED_ROWS] * maximum
        if pixels.dtype.kind == "u":
            np.rint(rows, out=rows)
        np.clip(rows, 0, maximum, out=rows)
        for channel, plane in enumerate(rows):
            pixels[top : top + _CACHED_ROWS, :, channel] = plane


def convert_depth(pixels: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """Pixels in another depth; as they are where it is the same."""
    if pixels.dtype == dtype:
        return pixels
    return from_planes(to_planes(pixels), dtype)


def as_rgb(planes: Array) -> Array:
    """Three planes, of grey or RGB."""
    return np.repeat(planes, 3, axis=0) if len(planes) == 1 else planes


def as_grey(planes: Array) -> Array:
    """The mean of the planes, so that a grey picture stays free of colour: (1, H, W)."""
    mean: Array = planes.mean(0, keepdims=True)
    return mean
