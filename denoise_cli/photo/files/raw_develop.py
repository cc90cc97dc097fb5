"""Develop camera raw files by LibRaw (`pip install 'denoise-cli[raw]'`), neutrally and in 16 bits."""

from __future__ import annotations

import io
import os
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.metadata import exif, tiff
from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.metadata.types import Metadata

# Linear near black, then a power of 2.4: the curve of sRGB (IEC 61966-2-1).
_SRGB = (2.4, 12.92)
# Memory of LibRaw for a pixel: the sensor's value, four channels while developing, three of the result.
_BYTES_PER_PIXEL = 16


def can_develop() -> bool:
    """Whether the package that develops raw files is installed."""
    return find_spec("rawpy") is not None


def develop(source: Path | bytes, limits: Limits) -> NDArray[np.uint16]:
    """Pixels (H, W, 3) of a raw file in sRGB: the camera's white balance, no automatic brightness, no
    noise reduction, turned upright.

    Raises:
        ImageError: Damaged, of a kind that LibRaw does not know, or too large.
    """
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(source) if isinstance(source, bytes) else os.fspath(source)) as raw:
            limits.check_held("a camera raw file", raw.sizes.width, raw.sizes.height, _BYTES_PER_PIXEL)
            return np.ascontiguousarray(
                raw.postprocess(
                    output_bps=16,
                    output_color=rawpy.ColorSpace.sRGB,
                    gamma=_SRGB,
                    use_camera_wb=True,
                    no_auto_bright=True,
                    adjust_maximum_thr=0,  # White is what the sensor holds, not the brightest pixel.
                    fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode.Off,
                )
            )
    except rawpy.LibRawError as error:
        reason = error.args[0] if error.args else "no reason"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ImageError(f"{limits.name} is a camera raw file that LibRaw cannot read ({reason}).") from error


def raw_metadata(source: Path | bytes) -> Metadata:
    """EXIF and XMP data of a raw file with a TIFF structure, as those of an upright TIFF file."""
    try:
        with opened(source) as file:
            found = tiff.read(file)
    except (struct.error, ValueError, LookupError, OverflowError):
        return Metadata(dropped=("metadata of the camera",))
    block = exif.upright(found.exif) if found.exif else b""
    return tiff.build(Metadata(exif=block, xmp=found.xmp))
