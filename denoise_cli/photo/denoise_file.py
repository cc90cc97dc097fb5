"""Denoise one file into another: read, inspect, denoise, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoise_cli.errors import UsageError
from denoise_cli.files import permissions, why_no_file
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import DEFAULT_MODEL
from denoise_cli.photo.denoise_rows import Controls, denoise_rows
from denoise_cli.photo.files.encoding import choose_encoding, losses
from denoise_cli.photo.files.formats import SUFFIXES, Format, format_of, show
from denoise_cli.photo.files.paths import check_name, exists_already
from denoise_cli.photo.files.read import Photo, open_photo
from denoise_cli.photo.files.write import writing
from denoise_cli.photo.first_look import FirstLook, take_first_look
from denoise_cli.photo.pixels.fade import FadeLimits, limits_of
from denoise_cli.photo.pixels.noise_level import Noise
from denoise_cli.photo.runtimes.load import PhotoDenoiser

OnShare = Callable[[float], None]
# Share of the work that the first look is, about.
_LOOK = 0.1
_ANOTHER = "Name another --output."


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings for every photo.

    Attributes:
        controls: How much to denoise.
        format, bits, quality: Of the result; None: the format by the output's name, the bits of the photo.
        max_pixels: Megapixels of the largest photo to read; None: see `open_photo`.
        overwrite: Replace existing results.
    """

    controls: Controls
    format: Format | None = None
    bits: int | None = None
    quality: int | None = None
    max_pixels: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class DenoiseResult:
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
    source: Path | bytes,
    output: Path,
    denoiser: PhotoDenoiser,
    settings: Settings,
    on_share: OnShare,
    check: Callable[[Photo], None] = lambda photo: None,
) -> DenoiseResult:
    """Write the clean picture of `source`, a path or the bytes of a file, whole or not at all.

    A new file has the photo's permissions, a replaced one keeps its own.

    Args:
        check: Called with the opened photo before any work; what it raises refuses the photo.

    Raises:
        OutputExists: `output` is there already, or at the end, and may not be replaced.
        UsageError: `output` is no plain file, or its name says another format than the settings.
        ImageError: The photo cannot be read or the result cannot be written.
    """
    _check_free(output, settings.overwrite)
    start = time.perf_counter()
    photo = open_photo(source, settings.max_pixels)
    check(photo)
    kind = _format_of_result(photo, source, output, settings.format)
    # In this order: a file that cannot be read is a clearer reason than one that cannot be written.
    side = denoiser.architecture.image_size if denoiser.guided else None
    found = take_first_look(photo, side, lambda share: on_share(_LOOK * share))
    encoding = choose_encoding(photo, kind, settings.bits, settings.quality)
    mode = permissions(source) if isinstance(source, Path) else None

    def denoised(share: float) -> None:
        on_share((1 - _LOOK) * share)

    try:
        with writing(output, photo, encoding, overwrite=settings.overwrite, mode=mode) as sink:
            changed = denoise_rows(photo, found, denoiser, settings.controls, sink, on_share=denoised)
    except FileExistsError as error:  # It has come to be meanwhile.
        raise exists_already(output) from error
    notes = photo.notes + losses(photo, encoding) + _remarks(found, denoiser.info, changed)
    return DenoiseResult(output, photo, found.noise, notes, time.perf_counter() - start)


def _check_free(output: Path, overwrite: bool) -> None:
    """Refuse, before any work, a result that must not or cannot be written; errors as `denoise_file`."""
    if why := why_no_file(output):
        raise UsageError(f"{show(output)} {why}, so no result can be written there.", _ANOTHER)
    if output.exists() and not overwrite:
        raise exists_already(output)


def _format_of_result(photo: Photo, source: Path | bytes, output: Path, wanted: Format | None) -> Format:
    """The format asked for, else the one that the name says, else the photo's."""
    check_name(output, wanted)
    if wanted is not None:
        return wanted
    # A name of no format's is the user's choice for a photo that has it, and a slip elsewhere.
    if not output.suffix or (isinstance(source, Path) and output.suffix == source.suffix):
        return SUFFIXES.get(output.suffix.lower(), photo.format)
    return format_of(output)


def _remarks(found: FirstLook, info: ModelInfo, changed: float) -> tuple[str, ...]:
    """Notes on a photo; `changed` is the RMS change that the network would have made."""
    notes = []
    if found.exceeds:
        notes.append("values outside 0 to 1 were cut off")
    noise = found.noise_seen
    if limits_of(noise, info) == FadeLimits(0.0, 0.0):
        notes.append("no noise was found, so the picture is left as it is")
    level = float(np.hypot(noise.luma, noise.chroma))
    # The change is the noise plus the network's error.
    if info.name != DEFAULT_MODEL and changed**2 > 2 * level**2:
        notes.append(
            f"{info.name} would change this picture by {255 * changed:.1f} of 255, more than noise of "
            f"{255 * level:.1f} asks for, so it was held back; {DEFAULT_MODEL} knows photographs better"
        )
    return tuple(notes)
