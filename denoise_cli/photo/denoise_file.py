"""Denoise one file into another: read, inspect, denoise, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoise_cli.errors import OutputExists
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import DEFAULT_MODEL
from denoise_cli.photo.denoise_rows import Controls, denoise_rows
from denoise_cli.photo.files.encoding import choose_encoding, losses
from denoise_cli.photo.files.formats import Format, format_of, show
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.files.write import writing
from denoise_cli.photo.first_look import FirstLook, take_first_look
from denoise_cli.photo.pixels.fade import Limits, limits_of
from denoise_cli.photo.pixels.noise_level import Noise
from denoise_cli.photo.runtimes.load import PhotoDenoiser

OnShare = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings for every photo.

    Attributes:
        controls: How much to denoise.
        format, bits, quality: Of the result; None: the format by the output's name, the bits of the photo.
        overwrite: Replace existing results.
    """

    controls: Controls
    format: Format | None = None
    bits: int | None = None
    quality: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one photo.

    Attributes:
        output: The file written.
        photo: What was read.
        noise: As estimated before.
        notes: Conversions and losses, for the user.
        seconds: From opening the photo to closing the result.
    """

    output: Path
    photo: Photo
    noise: Noise
    notes: tuple[str, ...]
    seconds: float


def denoise_file(
    source: Path | bytes, output: Path, denoiser: PhotoDenoiser, settings: Settings, on_share: OnShare
) -> Result:
    """Write the clean picture of `source`, a path or the bytes of a file, whole or not at all.

    Raises:
        OutputExists: `output` is there already and may not be replaced.
        ImageError: The photo cannot be read or the result cannot be written.
    """
    if output.exists() and not settings.overwrite:
        raise OutputExists(f"{show(output)} exists already.", "Add --overwrite, or name another --output.")
    start = time.perf_counter()
    photo = open_photo(source)
    kind = settings.format or (format_of(output) if output.suffix else photo.format)
    # In this order: a file that cannot be read is a clearer reason than one that cannot be written.
    found = take_first_look(photo, denoiser.architecture.image_size if denoiser.guided else None)
    encoding = choose_encoding(photo, kind, settings.bits, settings.quality)
    with writing(output, photo, encoding) as sink:
        changed = denoise_rows(photo, found, denoiser, settings.controls, sink, on_share=on_share)
    notes = photo.notes + losses(photo, encoding) + _remarks(found, denoiser.info, changed)
    return Result(output, photo, found.noise, notes, time.perf_counter() - start)


def _remarks(found: FirstLook, info: ModelInfo, changed: float) -> tuple[str, ...]:
    """Notes on a photo; `changed` is the RMS change that the network would have made."""
    notes = []
    if found.exceeds:
        notes.append("values outside 0 to 1 were cut off")
    noise = found.noise_seen
    if limits_of(noise, info) == Limits(0.0, 0.0):
        notes.append("no noise was found, so the picture is left as it is")
    level = float(np.hypot(noise.luma, noise.chroma))
    # The change is the noise plus the network's error.
    if info.name != DEFAULT_MODEL and changed**2 > 2 * level**2:
        notes.append(
            f"{info.name} would change this picture by {255 * changed:.1f} of 255, more than noise of "
            f"{255 * level:.1f} asks for, so it was held back; {DEFAULT_MODEL} knows photographs better"
        )
    return tuple(notes)
