"""From one file to one file: read, survey, denoise, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import OutputExists
from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.formats import Format, format_of, show
from denoise_cli.photo.process import Controls, denoise_rows
from denoise_cli.photo.read import Photo, open_photo
from denoise_cli.photo.survey import NoiseSampler, survey
from denoise_cli.photo.write import choose_encoding, losses, writing

OnShare = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user wants done to every photo.

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
    """What was done.

    Attributes:
        output: The file written.
        photo: What was read.
        sigma: Estimated noise per channel, on [0, 1].
        notes: What was converted or dropped, for the user.
        seconds: From opening the photo to closing the result.
    """

    output: Path
    photo: Photo
    sigma: tuple[float, ...]
    notes: tuple[str, ...]
    seconds: float


def denoise_file(
    source: Path | bytes, output: Path, denoiser: Denoiser, settings: Settings, on_share: OnShare
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
    found = survey(photo, denoiser.architecture.image_size if denoiser.guided else None)
    encoding = choose_encoding(photo, kind, settings.bits, settings.quality)
    rows = NoiseSampler(photo)
    with writing(output, photo, encoding) as sink:
        denoise_rows(rows, found, denoiser, settings.controls, sink, on_share=on_share)
    notes = photo.notes + losses(photo, encoding)
    if rows.exceeds:
        notes += ("values outside 0 to 1 were cut off",)
    return Result(output, photo, rows.noise.sigma(), notes, time.perf_counter() - start)
