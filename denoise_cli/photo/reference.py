"""A clean picture that a photo and its result are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from denoise_cli.errors import UsageError
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.upright import orientation_of, read_planes, size_shown

ANY_SIZE = 1_000_000
"""In megapixels: the photo has been read before, and its result written."""


def open_reference(path: Path) -> Photo:
    """The header of a clean picture; raises `ImageError` where it is none."""
    return open_photo(path, ANY_SIZE)


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

    clean = torch.from_numpy(read_planes(reference, ANY_SIZE, turn_of(reference, before)))[None]
    scores = {}
    for name, path in (("before", before), ("after", after)):
        picture = torch.from_numpy(read_planes(path, ANY_SIZE))[None]
        scores[f"psnr_{name}"] = float(psnr(picture, clean))
        small = min(clean.shape[2:]) < WINDOW
        scores[f"ssim_{name}"] = float("nan") if small else float(ssim(picture, clean))
    return scores


def turn_of(reference: Path, before: Path | bytes) -> int:
    """The EXIF orientation by which a clean picture lies as the photo is shown; of two, the nearer one."""
    turns = _fitting_turns(open_reference(reference), open_photo(before, ANY_SIZE))
    if len(turns) == 1:
        return turns[0]
    seen = read_planes(before, ANY_SIZE)
    return min(turns, key=lambda turn: float(np.square(read_planes(reference, ANY_SIZE, turn) - seen).mean()))


def _fitting_turns(reference: Photo, photo: Photo) -> list[int]:
    """The EXIF orientations that bring a clean picture to the size at which the photo is shown.

    The first is its own; one that has none may lie as the photo does, whose tag it has lost.

    Raises:
        UsageError: There is none.
    """
    own, photos = orientation_of(reference), orientation_of(photo)
    shown = size_shown(photo, photos)
    turns = dict.fromkeys((own, photos if own == 1 else own))
    fitting = [turn for turn in turns if size_shown(reference, turn) == shown]
    if not fitting:
        texts = [f"{width} x {height}" for width, height in (size_shown(reference, own), shown)]
        raise UsageError(f"{_name(reference)} has {texts[0]} pixels, but {_name(photo)} has {texts[1]}.")
    return fitting


def _name(photo: Photo) -> str:
    return show(photo.source) if isinstance(photo.source, Path) else "the input"
