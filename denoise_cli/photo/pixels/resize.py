"""Linear resizing in numpy, equal to torch's, in pieces: for thumbnails and guidance maps."""

from __future__ import annotations

import numpy as np

from denoise_cli.photo.pixels.types import Array


def antialias_weights(size: int, target: int) -> Array:
    """Matrix (target, size) that resizes as `F.interpolate(mode="bilinear", antialias=True)`.

    Each row is a triangle around the target pixel's centre, as wide as the scale where the
    picture shrinks, cut at the picture's edges and divided by its sum.
    """
    scale = size / target
    width = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    distances = (np.arange(size) + 0.5 - centres[:, None]) / width
    weights = np.clip(1 - np.abs(distances), 0, None)
    normal: Array = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normal


def linear_weights(size: int, target: int, start: int, stop: int) -> Array:
    """Rows `start` to `stop` of the matrix (target, size) of `F.interpolate(mode="bilinear")`."""
    places = np.clip((np.arange(start, stop) + 0.5) * (size / target) - 0.5, 0, size - 1)
    distances = np.abs(places[:, None] - np.arange(size))
    weights: Array = np.clip(1 - distances, 0, None).astype(np.float32)
    return weights


class Thumbnail:
    """Shrinks a photo whose rows arrive strip by strip to (1, 3, side, side)."""

    def __init__(self, height: int, width: int, side: int) -> None:
        self._vertical = antialias_weights(height, side)
        self._horizontal = antialias_weights(width, side).T.copy()
        self._sum = np.zeros((3, side, side), np.float32)
        self._row = 0

    def add(self, strip: Array) -> None:
        """Add the next rows, (3, h, W) in [0, 1]."""
        rows = slice(self._row, self._row + strip.shape[1])
        self._sum += self._vertical[:, rows] @ (strip @ self._horizontal)
        self._row = rows.stop

    def result(self) -> Array:
        return self._sum[None]
