"""Limit the removed signal to what is likely noise.

Where a network takes away more than the photo's noise, it takes away the picture: with noise of variance
n2 and an error of the network of variance m2, independent of it, v = n2 + m2 is removed, and the best
share of that is n2 / v (the Wiener filter's). Here v is measured around each pixel and n2 in the photo,
for brightness and colour apart, so a network that does not know the picture does little harm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from denoise_cli.models.info import ModelInfo
from denoise_cli.photo.pixels.colour import LUMA
from denoise_cli.photo.pixels.noise_level import Noise
from denoise_cli.photo.pixels.types import Array

# Pixels around each in which v is measured.
REACH = 8
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
    grey = removed if len(removed) == 1 else np.tensordot(LUMA, removed, 1)[None]
    taken: Array = _share(grey, limits.luma) * np.float32(luma) * grey
    if len(removed) == 3:
        colour = removed - grey
        taken = taken + _share(colour, limits.chroma) * np.float32(chroma) * colour
    return taken


def _limit(sigma: float, trust: _Trust) -> float:
    level = 255 * sigma
    start, full = trust.ramp
    level *= float(np.clip((level - start) / (full - start), 0, 1))
    return trust.times * (1 + (level / _STRONG) ** 2) * (level / 255) ** 2


def _share(planes: Array, limit: float) -> Array:
    """Share (H, W) of (C, H, W) that is noise."""
    around = _box_mean(np.einsum("chw,chw->hw", planes, planes) / len(planes))
    return np.asarray(np.minimum(1, limit / np.maximum(around, 1e-12)), np.float32)


def _box_mean(x: Array) -> Array:
    """Mean of (H, W) within `REACH` pixels of each, as far as there are any."""
    rows, columns = (_within_reach(size) for size in x.shape)
    sums = _sums_of_17(_sums_of_17(np.pad(x, REACH)).T).T
    return np.asarray(sums / (rows[:, None] * columns), np.float32)


def _sums_of_17(x: Array) -> Array:
    """Sums of each 17 = 2 `REACH` + 1 rows that follow one another, (H - 16, W)."""
    sums = x
    for count in (1, 2, 4, 8):  # of twice as many each time, which is much faster than running sums
        sums = sums[:-count] + sums[count:]
    return sums[:-1] + x[2 * REACH :]


def _within_reach(size: int) -> Array:
    """How many of so many places in a row are within `REACH` of each."""
    place = np.arange(size)
    counts = np.minimum(place + REACH + 1, size) - np.maximum(place - REACH, 0)
    return counts.astype(np.float32)
