"""Set a result beside the photo it was made from, and against a clean picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.files import atomic_write_path, permissions
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.files.metadata.exif import orientation
from denoise_cli.photo.files.read import open_photo
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


def score_against(reference: Path, before: Path | bytes, after: Path) -> dict[str, float]:
    """PSNR (dB) and SSIM of both pictures against the clean one; SSIM is NaN below 11x11 pixels.

    Raises:
        UsageError: The sizes differ.
    """
    import torch

    from denoise_cli.metrics import WINDOW, psnr, ssim

    clean = torch.from_numpy(_read_planes(reference))[None]
    scores = {}
    for name, path in (("before", before), ("after", after)):
        picture = torch.from_numpy(_read_planes(path))[None]
        if picture.shape != clean.shape:
            size = f"{clean.shape[3]} x {clean.shape[2]}"
            raise UsageError(
                f"{show(reference)} has {size} pixels, but {_name(path)} has "
                f"{picture.shape[3]} x {picture.shape[2]}."
            )
        scores[f"psnr_{name}"] = float(psnr(picture, clean))
        small = min(clean.shape[2:]) < WINDOW
        scores[f"ssim_{name}"] = float("nan") if small else float(ssim(picture, clean))
    return scores


def write_side_by_side(before: Path | bytes, after: Path, output: Path, *, overwrite: bool = False) -> None:
    """Write a PNG: both pictures whole, and below them the two places with most detail, enlarged.

    Enlarged crops are as wide as the pictures above them, and half as high.

    It has the permissions of `after`, as it shows the same.

    Raises:
        FileExistsError: `output` is there already, and `overwrite` is not given.
        ImageError: It cannot be written.
    """
    pictures = [_read_upright(path) for path in (before, after)]
    shown = [_scaled(picture) for picture in pictures]
    column = shown[0].shape[1]
    rows = [_beside(shown, column)]
    height, width = column // _ZOOM // 2, column // _ZOOM
    for top, left in _busy_places(pictures[1], height, width):
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


def _name(photo: Path | bytes) -> str:
    return show(photo) if isinstance(photo, Path) else "the input"


def _read_planes(path: Path | bytes) -> Array:
    """The colours of a photo as float32 (3, H, W) in [0, 1]."""
    photo = open_photo(path, _ANY_SIZE)
    return as_rgb(to_planes(np.concatenate(list(photo.strips(_STRIP)))[..., : photo.channels]))


def _read_upright(path: Path | bytes) -> Pixels:
    """The colours of a photo as uint8 (H, W, 3), turned as its EXIF orientation says."""
    photo = open_photo(path, _ANY_SIZE)
    pixels = np.concatenate(list(photo.strips(_STRIP)))[..., : photo.channels]
    pixels = convert_depth(pixels, np.dtype(np.uint8))
    image = pyvips.Image.new_from_array(np.repeat(pixels, 3 // photo.channels, axis=2))
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation(photo.metadata.exif))
    image = image.autorot()
    upright: Pixels = image.numpy()
    return upright


def _scaled(picture: Pixels) -> Pixels:
    """At most 640 pixels wide and high."""
    if max(picture.shape[:2]) <= _SIDE:
        return picture
    scaled: Pixels = pyvips.Image.new_from_array(picture).thumbnail_image(_SIDE, height=_SIDE).numpy()
    return scaled


def _beside(pictures: list[Pixels], column: int) -> Pixels:
    """The pictures in columns of this width, a gap between them."""
    left, right = (
        np.pad(picture, ((0, 0), (0, column - picture.shape[1]), (0, 0)), constant_values=255)
        for picture in pictures
    )
    return np.concatenate([np.pad(left, ((0, 0), (0, _GAP), (0, 0)), constant_values=255), right], axis=1)


def _busy_places(picture: Pixels, height: int, width: int) -> list[tuple[int, int]]:
    """Top left corners of the two crops with the largest standard deviation; none in a narrow picture."""
    if width * _ZOOM < _LEAST_WIDTH:
        return []
    down, across = picture.shape[0] // height, picture.shape[1] // width
    if down * across < 2:
        return []
    grey: NDArray[np.float32] = picture[: down * height, : across * width].mean(2, dtype=np.float32)
    spread = grey.reshape(down, height, across, width).std((1, 3)).ravel()
    places = np.argsort(-spread, kind="stable")[:2]
    return [(int(place) // across * height, int(place) % across * width) for place in places]
