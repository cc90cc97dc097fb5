"""Decode HEIC files by libheif (`pip install 'denoise-cli[heic]'`), where libvips has no decoder for them."""

from __future__ import annotations

import io
import os
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.heif_header import check_decoded
from denoise_cli.photo.files.heif_pixels import filled, widened
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.metadata.heif import look_at

_COLOURS = {(1, "uchar"): "b-w", (1, "ushort"): "grey16", (3, "uchar"): "srgb", (3, "ushort"): "rgb16"}


def can_decode() -> bool:
    """Whether the package that decodes HEIC files is installed."""
    return find_spec("pi_heif") is not None


def is_ours(source: Path | bytes) -> bool:
    """Whether the package is installed and the picture is in HEVC, the only codec that it decodes."""
    with closing(opened(source)) as file:
        return can_decode() and look_at(file).hevc


def decode(source: Path | bytes, limits: Limits) -> pyvips.Image:
    """The pixels of a HEIC file as libvips would give them: upright, 8 or 16 bits, alpha not premultiplied.

    Raises:
        ImageError: Damaged, or too large.
    """
    import pi_heif

    try:
        found = pi_heif.open_heif(
            io.BytesIO(source) if isinstance(source, bytes) else os.fspath(source), convert_hdr_to_8bit=False
        )
        # As the decoder sees it, which need not be what the check of the boxes saw.
        check_decoded(limits, *found.size, deep=found.info["bit_depth"] > 8)
        pixels = np.array(found)  # A copy: libheif frees its own with `found`.
    except (ValueError, RuntimeError, SyntaxError, EOFError, OSError, MemoryError) as error:
        reason = " ".join(str(error).split()) or "it cannot be decoded"
        raise ImageError(f"{limits.name} is a damaged HEIC file ({reason}).") from error
    image = pyvips.Image.new_from_array(pixels)
    image = _as_meant(image, source, multiplied=found.premultiplied_alpha)
    image.set_type(pyvips.GValue.gint_type, "bits-per-sample", int(found.info["bit_depth"]))
    return filled(image) if image.format == "ushort" else image


def _as_meant(image: pyvips.Image, source: Path | bytes, *, multiplied: bool) -> pyvips.Image:
    """Grey of the full range, which libheif hands out as it is stored, and colours without their alpha."""
    with closing(opened(source)) as file:
        seen = look_at(file)
    kind = _COLOURS[1 if image.bands < 3 else 3, image.format]
    if image.bands < 3 and seen.narrow:
        grey = widened(image[0])
        image = grey if image.bands == 1 else grey.bandjoin(image[1])
    if multiplied:
        most = 65535 if image.format == "ushort" else 255
        image = image.unpremultiply(max_alpha=most).rint().cast(image.format)
    return image.copy(interpretation=kind)
