"""Colours under fully transparent pixels, which must not bleed into what is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.pixels.colour import from_planes, to_planes
from denoise_cli.photo.pixels.types import Array, Pixels


def fill_hidden(colours: Pixels, alpha: NDArray[Any]) -> Pixels:
    """`colours` (H, W, C) with smooth continuations of the seen ones where `alpha` (H, W) is 0.

    A network that saw the stored colours, often black, would darken the edges of what is seen.
    """
    seen = alpha > 0
    if seen.all() or not seen.any():
        return colours
    filled = from_planes(_pull_push(to_planes(colours), seen.astype(np.float32)), colours.dtype)
    return np.where(seen[..., None], colours, filled)


def _pull_push(planes: Array, weight: Array) -> Array:
    """Fill (C, H, W) where `weight` (H, W) is 0 from coarser and coarser averages."""
    if weight.all() or weight.shape == (1, 1):
        return planes
    small, small_weight = _halve(planes * weight), _halve(weight[None])[0]
    coarse = small / np.maximum(small_weight, 1e-12)
    coarse = _pull_push(coarse, (small_weight > 0).astype(np.float32))
    doubled = coarse.repeat(2, axis=1).repeat(2, axis=2)[:, : planes.shape[1], : planes.shape[2]]
    return np.where(weight > 0, planes, doubled)


def _halve(planes: Array) -> Array:
    """Sums of 2x2 pixels of (C, H, W); odd sides end with sums of fewer."""
    _, height, width = planes.shape
    padded = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)))
    sums: Array = padded.reshape(len(planes), -(-height // 2), 2, -(-width // 2), 2).sum((2, 4))
    return sums
