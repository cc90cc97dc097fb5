"""Limit the removed signal to what is likely noise.

Where a network takes away more than the photo's noise, it takes away the picture: with noise of variance
n2 and an error of the network of variance m2, independent of it, v = n2 + m2 is removed, and the best
share of that is n2 / v (the Wiener filter's). Here v is measured around each pixel and n2 in the photo,
for brightness and colour apart, so a network that does not know the picture does little harm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoise_cli.models.info import ModelInfo
from denoise_cli.photo.pixels.colour import LUMA
from denoise_cli.photo.pixels.noise_level import Noise
from denoise_cli.photo.pixels.types import Array

# Pixels around each in which v is measured.
REACH = 8
_BAND = 64
# Of 255: from here on n2 is also underestimated because noise is cut off at black and white.
_STRONG = 20.0


@dataclass(frozen=True, slots=True)
class _Trust:
    """Limits up to which a change of brightness, or of colour, counts as noise.

    Attributes:
        ramp: Of 255: an estimate that flat parts of clean photographs give as well, and one from which
            on all is noise.
        times: How many times n2 is taken for noise. The noise varies over a photo, and what is
            estimated is its quiet parts.
    """

    ramp: tuple[float, float]
    times: float


# Luma and chroma. Measured on crops of real pairs, on `camera`, `correlated` and white noise, and on clean
# pictures: a network that puts out the picture loses where more is taken for noise, one that predicts the
# noise where less is.
_PICTURE = _Trust((0.5, 1.5), 1.25), _Trust((0.2, 0.8), 1.25)
_NOISE = _Trust((0.4, 1.0), 6.0), _Trust((0.1, 0.3), 16.0)


@dataclass(frozen=True, slots=True)
class FadeLimits:
    """Variances up to which a change counts as noise, on [0, 1]; 0: none does."""

    luma: float
    chroma: float


def limits_of(noise: Noise, info: ModelInfo) -> FadeLimits:
    """The limits for a photo with this noise and a network of this architecture."""
    luma, chroma = _NOISE if info.predicts_noise else _PICTURE
    return FadeLimits(_limit(noise.luma, luma), _limit(noise.chroma, chroma))


def fade(removed: Array, limits: FadeLimits, luma: float, chroma: float) -> Array:
    """The part of `removed` that is finally subtracted.

    Args:
        removed: (C, H, W), what the network would remove.
        limits: See `limits_of`.
        luma, chroma: Shares wanted of the brightness noise and of the colour noise, 0 to 1.
    """
    result = np.empty_like(removed)
    height = removed.shape[1]
    # Bands of rows stay in the processor's cache.
    for top in range(0, height, _BAND):
        bottom = min(height, top + _BAND)
        start, stop = max(0, top - REACH), min(height, bottom + REACH)
        kept = slice(top - start, bottom - start)
        part = removed[:, start:stop]
        grey = part if len(part) == 1 else np.tensordot(LUMA, part, 1)[None]
        taken = _share(grey, limits.luma)[kept] * np.float32(luma) * grey[:, kept]
        if len(part) == 3:
            colour = part - grey
            taken = taken + _share(colour, limits.chroma)[kept] * np.float32(chroma) * colour[:, kept]
        result[:, top:bottom] = taken
    return result


def _limit(sigma: float, trust: _Trust) -> float:
    level = 255 * sigma
    start, full = trust.ramp
    level *= float(np.clip((level - start) / (full - start), 0, 1))
    return trust.times * (1 + (level / _STRONG) ** 2) * (level / 255) ** 2


def _share(planes: Array, limit: float) -> Array:
    """Share (H, W) of (C, H, W) that is noise."""
    around = _box_mean(np.einsum("chw,chw->hw", planes, planes) / len(planes))
    return np.asarray(np.minimum(1, limit / np.maximum(around, 1e-12)), np.float32)


def _box_mean(x: Array) -> NDArray[np.float64]:
    """Mean of (H, W) within `REACH` pixels of each, as far as there are any."""
    for axis in (0, 1):
        size = x.shape[axis]
        sums = np.zeros((size + 1, x.shape[1 - axis]))
        np.cumsum(x if axis == 0 else x.T, axis=0, dtype=np.float64, out=sums[1:])
        first, last = np.maximum(np.arange(size) - REACH, 0), np.minimum(np.arange(size) + REACH + 1, size)
        mean = (sums[last] - sums[first]) / (last - first)[:, None]
        x = mean if axis == 0 else mean.T
    return np.asarray(x, np.float64)
