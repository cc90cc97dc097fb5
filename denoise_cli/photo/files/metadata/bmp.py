"""The header of a BMP file."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import BinaryIO

from denoise_cli.photo.files.metadata.types import Metadata, Resolution


def read(file: BinaryIO) -> Metadata:
    """The resolution, if the file says one."""
    file.seek(0)
    start = file.read(46)
    if len(start) < 46 or struct.unpack_from("<I", start, 14)[0] < 40:
        return Metadata()
    x, y = struct.unpack_from("<ii", start, 38)
    if x <= 0 or y <= 0:
        return Metadata()
    return Metadata(resolution=Resolution(Fraction(x, 100), Fraction(y, 100), Resolution.CENTIMETRE))
