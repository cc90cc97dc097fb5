"""Set a result beside the photo it was made from, and against a clean picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyvips

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.files import atomic_write_path, permissions
from denoise_cli.photo.details import detail_places
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.files.metadata.exif import orientation
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.pixels.colour import as_rgb, convert_depth, to_planes
from denoise_cli.photo.pixels.types import Array, Pixels

_STRIP = 256
_SIDE = 640
_ZOOM = 4
_GAP = 8
# Enlarged crops of a narrower picture would show next to nothing.
_LEAST_WIDTH = 96
# In megapixels: the photo has been read before, and its result written.
_ANY_SIZE = 1_000_000
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


def open_reference(path: Path) -> Photo:
    """The header of a clean picture; raises `ImageError` where it is none."""
    return open_photo(path, _ANY_SIZE)


def check_reference(reference: Path, photo: Photo) -> None:
    """Raise `UsageError` where a clean picture has another size than the photo, however it lies."""
    _fitting_turns(open_reference(reference), photo)


def score_against(reference: Path, before: Path | bytes, after: Path) -> dict[str, float]:
    """PSNR (dB) and SSIM of both pictures against the clean one; SSIM is NaN below 11x11 pixels.

    All are compared as they are shown, turned as EXIF says; of a reference that does not say it,
    both the ways that it may lie are tried.

    Raises:
        UsageError: The sizes differ.
    """
    import torch

    from denoise_cli.metrics import WINDOW, psnr, ssim

    clean = torch.from_numpy(_read_planes(reference, _turn_of(reference, before)))[None]
    scores = {}
    for name, path in (("before", before), ("after", after)):
        picture = torch.from_numpy(_read_planes(path))[None]
        scores[f"psnr_{name}"] = float(psnr(picture, clean))
        small = min(clean.shape[2:]) < WINDOW
        scores[f"ssim_{name}"] = float("nan") if small else float(ssim(picture, clean))
    return scores


def write_side_by_side(
    before: Path | bytes,
    after: Path,
    output: Path,
    *,
    reference: Path | None = None,
    scores: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a PNG: the pictures whole, each named, and below them two places enlarged, a face and texture.

    Enlarged crops are as wide as the pictures above them, and half as high. The page has the permissions
    of `after`, as it shows the same.

    Args:
        reference: A clean picture of the same size, shown beside them.
        scores: Of `score_against`, for the names.

    Raises:
        FileExistsError: `output` is there already, and `overwrite` is not given.
        ImageError: It cannot be written.
    """
    pictures = [_read_upright(path) for path in (before, after)]
    if reference is not None:
        pictures.append(_read_upright(reference, _turn_of(reference, before)))
    shown = [_scaled(picture) for picture in pictures]
    column = shown[0].shape[1]
    rows = [_beside(shown, column)]
    if column >= _LEAST_WIDTH:
        rows.insert(0, _beside([_label(text, column) for text in _names(scores, len(pictures))], column))
        height, width = column // _ZOOM // 2, column // _ZOOM
        for top, left in detail_places(pictures[-1], height, width):
            crops = [picture[top : top + height, left : left + width] for picture in pictures]
            rows.append(_beside([crop.repeat(_ZOOM, 0).repeat(_ZOOM, 1) for crop in crops], column))
    page = np.concatenate([np.pad(row, ((0, _GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])
    try:
        with atomic_write_path(output, replace=overwrite, mode=permissions(after)) as temporary:
            # A target takes any name; libvips would look for options and UTF-8 in the text of a path.
            target = pyvips.Target.new_to_file(os.fsencode(temporary))
            pyvips.Image.new_from_array(page[:-_GAP]).pngsave_target(target)
    except pyvips.Error as error:
        raise ImageError(f"{show(output)} cannot be written.") from error


def _names(scores: Mapping[str, float] | None, count: int) -> list[str]:
    """What the columns are called, with PSNR where it is known."""
    names = {"before": "Before", "after": "After"}
    if scores is not None:
        names = {key: f"{name}, {scores[f'psnr_{key}']:.2f} dB" for key, name in names.items()}
    return [*names.values(), "Reference"][:count]


def _label(text: str, width: int) -> Pixels:
    """A line of black text on white, uint8 (h, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    size = min(18, width // 9)
    image = Image.new("RGB", (width, size + size // 2), "white")
    ImageDraw.Draw(image).text((0, size // 8), text, "black", ImageFont.load_default(size))
    return np.array(image)


def _fitting_turns(reference: Photo, photo: Photo) -> list[int]:
    """The EXIF orientations that bring a clean picture to the size at which the photo is shown.

    The first is its own; one that has none may lie as the photo does, whose tag it has lost.

    Raises:
        UsageError: There is none.
    """
    own, photos = _orientation(reference), _orientation(photo)
    shown = _size_shown(photo, photos)
    turns = dict.fromkeys((own, photos if own == 1 else own))
    fitting = [turn for turn in turns if _size_shown(reference, turn) == shown]
    if not fitting:
        texts = [f"{width} x {height}" for width, height in (_size_shown(reference, own), shown)]
        raise UsageError(f"{_name(reference)} has {texts[0]} pixels, but {_name(photo)} has {texts[1]}.")
    return fitting


def _turn_of(reference: Path, before: Path | bytes) -> int:
    """The EXIF orientation by which a clean picture lies as the photo is shown: the nearest, of two."""
    turns = _fitting_turns(open_reference(reference), open_photo(before, _ANY_SIZE))
    if len(turns) == 1:
        return turns[0]
    seen = _read_planes(before)
    return min(turns, key=lambda turn: float(np.square(_read_planes(reference, turn) - seen).mean()))


def _orientation(photo: Photo) -> int:
    found = orientation(photo.metadata.exif)
    return found if found in _TURNS else 1


def _size_shown(photo: Photo, turn: int) -> tuple[int, int]:
    """Width and height."""
    return (photo.height, photo.width) if _TURNS[turn][0] else (photo.width, photo.height)


def _name(photo: Photo) -> str:
    return show(photo.source) if isinstance(photo.source, Path) else "the input"


def _read_planes(path: Path | bytes, turn: int | None = None) -> Array:
    """The colours of a photo as it is shown, as float32 (3, H, W) in [0, 1]; see `_read`."""
    return as_rgb(to_planes(_read(path, turn)))


def _read_upright(path: Path | bytes, turn: int | None = None) -> Pixels:
    """The colours of a photo as it is shown, as uint8 (H, W, 3); see `_read`."""
    pixels = convert_depth(_read(path, turn), np.dtype(np.uint8))
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2)


def _read(path: Path | bytes, turn: int | None) -> Pixels:
    """The colours of a photo, (H, W, 1 or 3), turned as an EXIF orientation says, by default its own."""
    photo = open_photo(path, _ANY_SIZE)
    pixels: Pixels = np.concatenate(list(photo.strips(_STRIP)))[..., : photo.channels]
    swapped, down, across = _TURNS[turn or _orientation(photo)]
    upright = pixels.swapaxes(0, 1) if swapped else pixels
    return np.ascontiguousarray(upright[::down, ::across])


def _scaled(picture: Pixels) -> Pixels:
    """At most 640 pixels wide and high."""
    if max(picture.shape[:2]) <= _SIDE:
        return picture
    scaled: Pixels = pyvips.Image.new_from_array(picture).thumbnail_image(_SIDE, height=_SIDE).numpy()
    return scaled


def _beside(pictures: list[Pixels], column: int) -> Pixels:
    """The pictures in columns of this width, a gap between them."""
    padded = [
        np.pad(picture, ((0, 0), (0, column - picture.shape[1] + _GAP), (0, 0)), constant_values=255)
        for picture in pictures
    ]
    return np.concatenate(padded, axis=1)[:, :-_GAP]
