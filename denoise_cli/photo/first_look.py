"""The first look at a photo: facts of the whole picture, before denoising."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.pixels.colour import as_rgb, to_planes
from denoise_cli.photo.pixels.noise_level import BLOCK, Noise, NoiseLevel
from denoise_cli.photo.pixels.resize import Thumbnail
from denoise_cli.photo.pixels.stretch import Stretch, find_stretch
from denoise_cli.photo.pixels.types import Pixels, Rows

_STRIP = 4 * BLOCK
# Pixels that are looked at more closely, in bands spread over the photo.
_SAMPLE = 1_500_000
# Bands that are looked at together: fewer calls, and still in the processor's cache.
_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Facts of the whole photo.

    Attributes:
        grey: Whether all colour channels are the same everywhere.
        exceeds: Whether a colour is outside [0, 1] or no number, as only floating-point files hold.
        noise: In the file's own scale.
        stretch: What brings the photo into the range that networks know, if it needs that.
        noise_seen: The noise as the network sees it, after the stretch.
        thumbnail: (1, 3, S, S) for the classifier of a guided model, else None.
    """

    grey: bool
    exceeds: bool
    noise: Noise
    stretch: Stretch | None
    noise_seen: Noise
    thumbnail: NDArray[np.float32] | None


def take_first_look(
    photo: Rows, thumbnail_side: int | None, on_share: Callable[[float], None] = lambda share: None
) -> FirstLook:
    """Read `photo` once; make a thumbnail of `thumbnail_side` pixels if asked.

    Args:
        on_share: Called with the share of the photo read since the last call.
    """
    thumbnail = None if thumbnail_side is None else Thumbnail(photo.height, photo.width, thumbnail_side)
    look = _Look(photo)
    for number, strip in enumerate(photo.strips(_STRIP)):
        look.add(strip, number)
        if thumbnail is not None:
            thumbnail.add(as_rgb(to_planes(strip[..., : photo.channels])))
        on_share(len(strip) / photo.height)
    small = None if thumbnail is None else thumbnail.result()
    noise, stretch = look.noise(None), look.stretch()
    if stretch is None:
        return FirstLook(look.grey, look.exceeds, noise, None, noise, small)
    small = None if small is None else stretch(small)
    return FirstLook(look.grey, look.exceeds, noise, stretch, look.noise(stretch), small)


class _Look:
    """Gathers what the rows of a photo show."""

    def __init__(self, photo: Rows) -> None:
        self._channels, self._alpha = photo.channels, photo.alpha
        self._every = -(-photo.height * photo.width // _SAMPLE)
        self._short = photo.height < BLOCK
        self._bands: list[Pixels] = []
        self._high = 0.0
        self.grey, self.exceeds = True, False

    def add(self, strip: Pixels, number: int) -> None:
        """Look at the strip of this number, from 0."""
        colours = strip[..., : self._channels]
        self.grey = self.grey and (self._channels == 1 or bool((colours == colours[..., :1]).all()))
        if colours.dtype.kind == "f" and not self.exceeds:
            self.exceeds = not bool(((colours >= 0) & (colours <= 1)).all())
        if colours.dtype.itemsize > 1:
            self._high = max(self._high, float(to_planes(self._seen(strip)).max()))
        for place in range(0, len(strip), BLOCK):
            band = strip[place : place + BLOCK]
            wanted = (number * _STRIP + place) // BLOCK % self._every == 0
            if wanted and (len(band) == BLOCK or self._short):
                self._bands.append(band.copy())

    def stretch(self) -> Stretch | None:
        """The stretch that the photo needs; 8-bit photos need none."""
        if not self._high:
            return None
        values = [to_planes(self._seen(band))[:, ::2, ::2].ravel() for band in self._bands]
        sample = np.concatenate(values)
        return find_stretch(sample, self._high)

    def noise(self, stretch: Stretch | None) -> Noise:
        """The noise, after a stretch if one is given."""
        level = NoiseLevel(1 if self.grey else self._channels)
        for start in range(0, len(self._bands), _TOGETHER):
            colours = self._seen(np.concatenate(self._bands[start : start + _TOGETHER]))
            planes = to_planes(colours[..., :1] if self.grey else colours)
            level.add(planes if stretch is None else stretch(planes))
        found = level.noise()
        return found.for_channels(self._channels)

    def _seen(self, band: Pixels) -> Pixels:
        """The colours; black where they are fully transparent, which shows no noise."""
        colours = band[..., : self._channels]
        return np.where(band[..., -1:] > 0, colours, 0).astype(band.dtype) if self._alpha else colours
