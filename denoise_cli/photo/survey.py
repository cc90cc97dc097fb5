"""What is learnt of the whole photo: whether it is grey, its thumbnail, its noise level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.colour import Array, as_rgb, to_planes
from denoise_cli.photo.read import Pixels
from denoise_cli.photo.resize import Thumbnail
from denoise_cli.photo.rows import Rows

_STRIP = 64
_SAMPLE = 500_000
_BINS = 4096
# The median of |N(0, 1)|.
_NORMAL_MEDIAN = 0.67449


@dataclass(frozen=True, slots=True)
class Survey:
    """What must be known before the work begins.

    Attributes:
        grey: Whether all colour channels are the same everywhere.
        thumbnail: (1, 3, S, S) for the classifier of a guided model, else None.
    """

    grey: bool
    thumbnail: NDArray[np.float32] | None


def survey(photo: Rows, thumbnail_side: int | None) -> Survey:
    """Read as much of `photo` as is needed; make a thumbnail of `thumbnail_side` pixels if asked."""
    thumbnail = None if thumbnail_side is None else Thumbnail(photo.height, photo.width, thumbnail_side)
    grey = True
    for strip in () if thumbnail is None and photo.channels == 1 else photo.strips(_STRIP):
        colours = strip[..., : photo.channels]
        grey = grey and bool((colours == colours[..., :1]).all())
        if thumbnail is not None:
            thumbnail.add(as_rgb(to_planes(colours)))
        elif not grey:
            break
    return Survey(grey, None if thumbnail is None else thumbnail.result())


class NoiseSampler:
    """A photo as it is; while its rows are read, its noise is estimated from some of them.

    Attributes:
        noise: The estimate.
        exceeds: Whether a colour is outside [0, 1] or no number, as only floating-point files hold.
    """

    def __init__(self, photo: Rows) -> None:
        self._photo = photo
        self.height, self.width = photo.height, photo.width
        self.channels, self.alpha = photo.channels, photo.alpha
        self.noise = NoiseLevel(photo.channels)
        self.exceeds = False

    def strips(self, rows: int) -> Iterator[Pixels]:
        every = max(1, self.height * self.width // _SAMPLE)
        for number, strip in enumerate(self._photo.strips(rows)):
            colours = strip[..., : self.channels]
            if number % every == 0:
                self.noise.add(to_planes(colours))
            if colours.dtype.kind == "f" and not self.exceeds:
                self.exceeds = not bool(((colours >= 0) & (colours <= 1)).all())
            yield strip


class NoiseLevel:
    """Noise estimate from the median size of second differences (after Immerkaer, 1996).

    Second differences across both axes vanish on plane surfaces; their median ignores edges
    and texture. Pixels at black or white, where noise is cut off, are left out.
    """

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, _BINS), np.int64)

    def add(self, planes: Array) -> None:
        """Count the differences of (C, H, W) in [0, 1]."""
        if min(planes.shape[1:]) < 3:
            return
        rows = planes[:, :-2] - 2 * planes[:, 1:-1] + planes[:, 2:]
        # The weights (1, -2, 1) x (1, -2, 1) have norm 6.
        size = np.abs(rows[..., :-2] - 2 * rows[..., 1:-1] + rows[..., 2:]) / 6
        centre = planes[:, 1:-1, 1:-1]
        inside = (centre > 0) & (centre < 1)
        for channel, mask in enumerate(inside):
            bins = np.minimum(size[channel][mask] * _BINS, _BINS - 1).astype(np.int64)
            self._counts[channel] += np.bincount(bins, minlength=_BINS)

    def sigma(self) -> tuple[float, ...]:
        """The estimate per channel; 0 where there was nothing to look at."""
        return tuple(_median(counts) / _NORMAL_MEDIAN for counts in self._counts)


def _median(counts: NDArray[np.int64]) -> float:
    """Median of values in [0, 1] from their histogram, linear within a bin."""
    total = int(counts.sum())
    # Exact zeros are counted in the first bin; where most are, there is no noise to speak of.
    if total == 0 or counts[0] * 2 >= total:
        return 0.0
    sums = counts.cumsum()
    place = int(np.searchsorted(sums, total / 2))
    before = int(sums[place - 1])
    return float(place + (total / 2 - before) / counts[place]) / _BINS
