"""A check for missing pixels: libvips 8.18 reads a cut-off TIFF file without an error."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import BinaryIO, cast

_SHORT = 3
# Tags of the places and lengths of strips, and of tiles.
_PIECES = ((273, 279), (324, 325))
_CLASSIC = {b"II*\0": "<", b"MM\0*": ">"}


def ends_early(source: Path | bytes) -> bool:
    """Whether strips or tiles of a TIFF file lie beyond its end, which libvips fills with nothing."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as opened:
        file = cast(BinaryIO, opened)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = file.read(8)
        order = _CLASSIC.get(header[:4])
        if order is None:
            return False
        try:
            entries = _first_directory(file, order, header)
            for offsets, counts in _PIECES:
                if offsets in entries and counts in entries:
                    starts, lengths = (_values(file, order, entries[tag]) for tag in (offsets, counts))
                    return any(start + length > size for start, length in zip(starts, lengths, strict=False))
        except struct.error:
            return True
    return False


def _first_directory(file: BinaryIO, order: str, header: bytes) -> dict[int, bytes]:
    """The 12 bytes of each entry by tag."""
    file.seek(struct.unpack(order + "I", header[4:])[0])
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    return {struct.unpack(order + "H", entry[:2])[0]: entry for entry in entries}


def _values(file: BinaryIO, order: str, entry: bytes) -> tuple[int, ...]:
    """The 16-bit or 32-bit numbers of an entry."""
    kind, count = struct.unpack(order + "HI", entry[2:8])
    code, width = ("H", 2) if kind == _SHORT else ("I", 4)
    data = entry[8:12]
    if count * width > len(data):
        file.seek(struct.unpack(order + "I", data)[0])
        data = file.read(count * width)
    return struct.unpack(f"{order}{count}{code}", data[: count * width])
