"""Set a result beside the photo it was made from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.files import atomic_write_path, permissions
from denoise_cli.photo.details import detail_places
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.pixels.types import Pixels
from denoise_cli.photo.reference import ANY_SIZE, turn_of
from denoise_cli.photo.upright import read_upright

_SIDE = 640
_ZOOM = 4
_GAP = 8
# Enlarged crops of a narrower picture would show next to nothing.
_LEAST_WIDTH = 96


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
    pictures = [read_upright(path, ANY_SIZE) for path in (before, after)]
    if reference is not None:
        pictures.append(read_upright(reference, ANY_SIZE, turn_of(reference, before)))
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
