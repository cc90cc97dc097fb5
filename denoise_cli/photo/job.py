"""From one file to one file: read, survey, denoise, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import OutputExists
from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.formats import Format
from denoise_cli.photo.process import Source, denoise_rows, plan_for
from denoise_cli.photo.read import Photo, open_photo
from denoise_cli.photo.survey import survey
from denoise_cli.photo.write import choose_encoding, writing


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user wants done to every photo.

    Attributes:
        tile: `auto`, `exact`, or the side of square windows.
        format, bits, quality: Of the result; None keeps the photo's.
        overwrite: Replace existing results.
    """

    tile: str = "auto"
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
    """

    output: Path
    photo: Photo
    sigma: tuple[float, ...]


def denoise_file(
    source: Path | bytes,
    output: Path,
    denoiser: Denoiser,
    settings: Settings,
    on_pixels: Callable[[int], None] = lambda count: None,
) -> Result:
    """Write the clean picture of `source` to `output`, whole or not at all.

    Raises:
        OutputExists: There is such a file, and it may not be replaced.
        ImageError: The photo cannot be read or the result cannot be written.
    """
    check_output(output, settings.overwrite)
    photo = open_photo(source)
    encoding = choose_encoding(photo, settings.format, settings.bits, settings.quality)
    plan = plan_for(denoiser, photo.height, photo.width, settings.tile)
    found = survey(photo, denoiser.architecture.image_size if denoiser.guided else None)
    with writing(output, photo, encoding) as sink:
        work = Source(photo, photo.alpha, found)
        denoise_rows(work, denoiser, plan, sink, encoding.dtype, on_pixels=on_pixels)
    return Result(output, photo, found.sigma)


def check_output(path: Path, overwrite: bool) -> None:
    """Raise `OutputExists` unless `path` is free or may be replaced."""
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists already.", "Add --overwrite, or name another --output.")


def default_output(path: Path, kind: Format | None) -> Path:
    """`NAME.denoised.EXT` beside the input."""
    suffix = path.suffix if kind is None else kind.suffixes[0]
    return path.with_name(f"{path.stem}.denoised{suffix}")
