"""A photo as a screen shows it, before and after, so that shares of the noise can be blended there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from denoise_cli.photo.denoise_file import Settings
from denoise_cli.photo.denoise_rows import Shares, denoise_versions
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.first_look import take_first_look
from denoise_cli.photo.pixels.types import Pixels
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.photo.upright import orientation_of, size_shown, turned

# Larger photos are shown at a half, a third and so on: a screen has 2 to 8 megapixels.
_MOST_PIXELS = 24_000_000
_LOOK = 0.1
_VERSIONS = Shares(0, 0), Shares(1, 0), Shares(1, 1)


@dataclass(frozen=True, slots=True)
class Preview:
    """A photo in three versions, uint8 sRGB (H, W, 3), upright, transparent parts on white.

    With shares l and c of the brightness and of the colour noise removed, a pixel is
    before + l (luma - before) + c (both - luma): exact but for what is cut off at black and white in between.

    Attributes:
        before: As it is.
        luma: Without the brightness noise.
        both: Without the colour noise as well.
        width, height: Of the photo, upright.
        reduced: How many times it is wider than the versions.
        noise: As estimated, for people.
        notes: What had to be converted.
    """

    before: Pixels
    luma: Pixels
    both: Pixels
    width: int
    height: int
    reduced: int
    noise: str
    notes: tuple[str, ...]


def make_preview(
    source: Path, denoiser: PhotoDenoiser, settings: Settings, on_share: Callable[[float], None]
) -> Preview:
    """Denoise a photo for a screen; the network runs once.

    Args:
        on_share: Called with the share finished since the last call.

    Raises:
        ImageError: The photo cannot be read.
    """
    photo = open_photo(source, settings.max_pixels)
    side = denoiser.architecture.image_size if denoiser.guided else None
    found = take_first_look(photo, side, lambda share: on_share(_LOOK * share))
    reduced = math.ceil(math.sqrt(photo.width * photo.height / _MOST_PIXELS))
    sinks = [_Shown(photo, reduced) for _ in _VERSIONS]
    denoise_versions(
        photo,
        found,
        denoiser,
        settings.controls,
        list(zip(_VERSIONS, sinks, strict=True)),
        on_share=lambda share: on_share((1 - _LOOK) * share),
    )
    before, luma, both = (_upright(sink.result(), photo) for sink in sinks)
    width, height = size_shown(photo, orientation_of(photo))
    return Preview(before, luma, both, width, height, reduced, found.noise.text, photo.notes)


class _Shown:
    """A sink that collects a picture for a screen, `reduced` times smaller."""

    def __init__(self, photo: Photo, reduced: int) -> None:
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._channels, self._alpha, self._reduced = photo.channels, photo.alpha, reduced
        self._waiting: list[Pixels] = []
        self._strips: list[Pixels] = []

    def write(self, strip: Pixels) -> None:
        self._waiting.append(self._flat(strip))
        rows = sum(len(each) for each in self._waiting)
        if rows >= self._reduced:
            block = np.concatenate(self._waiting)
            whole = rows - rows % self._reduced
            self._strips.append(_shrink(block[:whole], self._reduced))
            self._waiting = [block[whole:]]

    def result(self) -> Pixels:
        """All of it, uint8 (H, W, 3); what is left of a block at the right and at the bottom is cut off."""
        return np.concatenate(self._strips)

    def _flat(self, strip: Pixels) -> Pixels:
        """RGB, on white where it is transparent."""
        colours = strip[..., : self._channels]
        if self._alpha:
            share = strip[..., -1:].astype(np.float32) / 255
            colours = np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)
        return np.repeat(colours, 3, axis=2) if self._channels == 1 else colours


def _shrink(block: Pixels, times: int) -> Pixels:
    """The means of squares of `times` pixels; height and width of the result are rounded down."""
    if times == 1:
        return block
    height, width = (length // times for length in block.shape[:2])
    squares = block[: height * times, : width * times].reshape(height, times, width, times, 3)
    means: Pixels = np.rint(squares.mean((1, 3), dtype=np.float32)).astype(np.uint8)
    return means


def _upright(pixels: Pixels, photo: Photo) -> Pixels:
    """The picture in sRGB, turned as the photo's EXIF data says."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels)).copy(interpretation="srgb")
    image = image.copy()
    if photo.metadata.icc:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", photo.metadata.icc)
        try:
            # A profile of another kind of picture, such as grey, is known only when it is used.
            converted = image.icc_transform("srgb", embedded=True, intent="relative")
            image = pyvips.Image.new_from_memory(
                converted.write_to_memory(), image.width, image.height, 3, "uchar"
            )
        except pyvips.Error:
            pass
    return turned(np.asarray(image.numpy()), orientation_of(photo))
