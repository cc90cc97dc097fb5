"""Decode HEIC files by libheif (`pip install 'denoise-cli[heic]'`), where libvips has no decoder for them."""

from __future__ import annotations

import io
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.heif_pixels import as_meant

_COLOURS = {(1, "uchar"): "b-w", (1, "ushort"): "grey16", (3, "uchar"): "srgb", (3, "ushort"): "rgb16"}


def can_decode() -> bool:
    """Whether the package that decodes HEIC files is installed."""
    return find_spec("pi_heif") is not None


def decode(source: Path | bytes, name: str) -> pyvips.Image:
    """The pixels of a HEIC file as libvips would give them: upright, 8 or 16 bits, alpha not premultiplied.

    Raises:
        ImageError: Damaged.
    """
    import pi_heif

    try:
        found = pi_heif.open_heif(
            io.BytesIO(source) if isinstance(source, bytes) else os.fspath(source), convert_hdr_to_8bit=False
        )
        pixels = np.array(found)  # A copy: libheif frees its own with `found`.
    except (ValueError, RuntimeError, SyntaxError, EOFError, OSError) as error:
        reason = " ".join(str(error).split()) or "it cannot be decoded"
        raise ImageError(f"{name} is a damaged HEIC file ({reason}).") from error
    image = pyvips.Image.new_from_array(pixels)
    image = image.copy(interpretation=_COLOURS[1 if image.bands < 3 else 3, image.format])
    image.set_type(pyvips.GValue.gint_type, "bits-per-sample", int(found.info.get("bit_depth", 8)))
    return as_meant(image, source)
