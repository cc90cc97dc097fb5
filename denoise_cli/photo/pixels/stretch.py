"""Dark and linear pictures, brought into the range that networks know, and back."""

from __future__ import annotations

from dataclasses import dataclass
from math import asinh

import numpy as np

from denoise_cli.photo.pixels.types import Array

# A picture of 16 bits or floats that uses less of its range is stretched; with less still, nothing is in it.
_NARROW, _FLAT = 0.5, 1e-3
# Below this median, within the range used, it is dark as linear data are, and gets this median.
_DARK, _MEDIAN = 1 / 16, 0.25
# The few values below this quantile, such as dead pixels, do not count as range.
_LOWEST = 0.001


@dataclass(frozen=True, slots=True)
class Stretch:
    """A monotone map of the range in use to [0, 1]: linear, or asinh (Lupton et al., 1999).

    `asinh` keeps the noise of a dark background as it is, and a small change of a bright star
    small, which powers and hyperbolas do not.

    Attributes:
        low, high: What becomes 0 and 1; values outside are not lost, see `restore`.
        softening: Where, in parts of the range, asinh turns from linear to logarithmic; 0: linear.
    """

    low: float
    high: float
    softening: float = 0.0

    def __call__(self, planes: Array) -> Array:
        """Stretched planes in [0, 1]."""
        x = np.clip((planes - np.float32(self.low)) / np.float32(self.high - self.low), 0, 1)
        if self.softening:
            x = np.arcsinh(x / np.float32(self.softening)) / np.float32(asinh(1 / self.softening))
            x = np.minimum(x, 1)
        return np.asarray(x, np.float32)

    def restore(self, planes: Array, stretched: Array, removed: Array, most: Array) -> Array:
        """`planes` with `removed` taken from their `stretched` values; where it is 0, as they are.

        The change is brought back rather than the picture, so what lay outside the range stays there.
        No value changes by more than `most`, (C, 1, 1) or a number: at bright stars the way back is steep.
        """
        change = self._back(np.clip(stretched - removed, 0, 1)) - self._back(stretched)
        return np.asarray(planes + np.clip(change, -most, most), np.float32)

    def _back(self, x: Array) -> Array:
        if self.softening:
            x = np.sinh(x * np.float32(asinh(1 / self.softening))) * np.float32(self.softening)
        return np.asarray(x * np.float32(self.high - self.low), np.float32)


def find_stretch(sample: Array, high: float) -> Stretch | None:
    """The stretch of a picture of 16 bits or floats; None where it needs none.

    Args:
        sample: Some of its values, in [0, 1].
        high: The largest of all.
    """
    if not sample.size:
        return None
    low, median = (float(value) for value in np.quantile(sample, (_LOWEST, 0.5)))
    if high - low < _FLAT:
        return None
    middle = (median - low) / (high - low)
    if middle >= _DARK:
        return Stretch(low, high) if high - low < _NARROW else None
    return Stretch(low, high, _softening(middle))


def _softening(middle: float) -> float:
    """The softening that takes `middle` to `_MEDIAN`, by bisection of its logarithm."""
    small, large = np.log(1e-6), 0.0
    for _ in range(50):
        guess = (small + large) / 2
        softening = float(np.exp(guess))
        if asinh(middle / softening) > _MEDIAN * asinh(1 / softening):
            small = guess
        else:
            large = guess
    return float(np.exp(small))
