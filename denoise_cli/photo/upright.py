"""Read a picture as a viewer shows it: whole, and turned as EXIF says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from denoise_cli.photo.files.metadata.exif import orientation
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.pixels.colour import as_rgb, convert_depth, to_planes
from denoise_cli.photo.pixels.types import Array, Pixels

_STRIP = 256
# By EXIF orientation: whether rows and columns change places, and which of them then run backwards.
_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


def orientation_of(photo: Photo) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none."""
    found = orientation(photo.metadata.exif)
    return found if found in _TURNS else 1


def size_shown(photo: Photo, turn: int) -> tuple[int, int]:
    """Width and height of a photo that is turned as an EXIF orientation says."""
    return (photo.height, photo.width) if _TURNS[turn][0] else (photo.width, photo.height)


def turned(pixels: Pixels, turn: int) -> Pixels:
    """Pixels (H, W, C) turned as an EXIF orientation says."""
    swapped, down, across = _TURNS[turn]
    upright = pixels.swapaxes(0, 1) if swapped else pixels
    return np.ascontiguousarray(upright[::down, ::across])


def read_planes(source: Path | bytes, max_pixels: int | None = None, turn: int | None = None) -> Array:
    """The colours of a picture as it is shown, as float32 (3, H, W) in [0, 1]; see `read_upright`."""
    return as_rgb(to_planes(_read(source, max_pixels, turn)))


def read_upright(source: Path | bytes, max_pixels: int | None = None, turn: int | None = None) -> Pixels:
    """The colours of a picture as it is shown, as uint8 (H, W, 3).

    Args:
        max_pixels: Megapixels of the largest picture to read; see `open_photo`.
        turn: An EXIF orientation in place of its own.

    Raises:
        ImageError: It cannot be read.
    """
    pixels = convert_depth(_read(source, max_pixels, turn), np.dtype(np.uint8))
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2)


def _read(source: Path | bytes, max_pixels: int | None, turn: int | None) -> Pixels:
    """The colours of a picture, (H, W, 1 or 3), turned."""
    photo = open_photo(source, max_pixels)
    pixels: Pixels = np.concatenate(list(photo.strips(_STRIP)))[..., : photo.channels]
    return turned(pixels, turn or orientation_of(photo))
