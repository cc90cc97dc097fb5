"""TIFF features that libvips lacks: EXIF data, and a check for missing pixels.

libvips 8.18 neither reads nor writes EXIF in TIFF files, and reads a cut-off TIFF without an error.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# Maker, model, software, date, artist, copyright, and the EXIF and GPS directories. The other
# tags of a TIFF's first directory say how its pixels are stored.
_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_DIRECTORIES = (_EXIF_IFD, _GPS_IFD)
_ASCII, _SHORT, _LONG = 2, 3, 4
# Tags of the places and lengths of strips, and of tiles.
_PIECES = ((273, 279), (324, 325))
_CLASSIC = {b"II*\0": "<", b"MM\0*": ">"}


def read_exif(source: Path | bytes) -> bytes | None:
    """The EXIF block of a TIFF file as other formats hold it, or None where there is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            exif = image.getexif()
            kept = Image.Exif()
            kept.update({tag: exif[tag] for tag in _TAGS if tag in exif})
            for tag in _DIRECTORIES:
                if exif.get_ifd(tag):
                    kept.get_ifd(tag).update(exif.get_ifd(tag))
            return bytes(kept.tobytes()) if len(kept) else None
    # Damaged metadata must not keep the pixels from being read.
    except Exception:
        return None


def add_exif(path: Path, block: bytes) -> None:
    """Add an EXIF block to a TIFF file; left as it is where the block is damaged."""
    from PIL import Image

    try:
        exif = Image.Exif()
        exif.load(block)
        texts = {tag: str(exif.get(tag, "")).encode() + b"\0" for tag in _TAGS}
        directories = {tag: exif.get_ifd(tag) for tag in _DIRECTORIES}
        with path.open("r+b") as file:
            _rewrite_directory(file, texts, directories)
    # The file is valid at every step: its header is changed last.
    except Exception:
        return


def _rewrite_directory(
    file: BinaryIO, texts: Mapping[int, bytes], directories: Mapping[int, Mapping[int, Any]]
) -> None:
    """Write the first directory anew at the end, with these tags added."""
    header = file.read(8)
    order = _CLASSIC.get(header[:4])
    if order is None:  # a BigTIFF, larger than 4 GB
        return
    entries = _first_directory(file, order, header)
    for tag, text in texts.items():
        if len(text) > 1:
            # Texts of up to 4 bytes would be stored in the entry itself; padded they need not be.
            padded = text.ljust(5, b"\0")
            _set(entries, order, tag, _ASCII, len(padded), _append(file, padded))
    for tag, values in directories.items():
        if values:
            _set(entries, order, tag, _LONG, 1, _append_directory(file, header, values))
    body = b"".join(entry for _, entry in sorted(entries.items()))
    place = _append(file, struct.pack(order + "H", len(entries)) + body + bytes(4))
    file.seek(4)
    file.write(struct.pack(order + "I", place))


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


def _set(entries: dict[int, bytes], order: str, tag: int, kind: int, count: int, value: int) -> None:
    entries[tag] = struct.pack(order + "HHII", tag, kind, count, value)


def _append(file: BinaryIO, data: bytes) -> int:
    """Write at the end, on an even place, and return that place."""
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    file.write(data)
    return end


def _append_directory(file: BinaryIO, header: bytes, values: Mapping[int, Any]) -> int:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(header)
    for tag, value in values.items():
        directory[tag] = value
    place = _append(file, b"")
    return _append(file, directory.tobytes(place))
