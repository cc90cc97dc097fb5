"""EXIF data of TIFF files, which libvips neither reads nor writes: by Pillow's directory reader."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# Maker, model, software, date, artist, copyright, and the EXIF and GPS directories. The other
# tags of a TIFF's first directory say how its pixels are stored.
_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_DIRECTORIES = (_EXIF_IFD, _GPS_IFD)
_ASCII, _LONG = 2, 4
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
    """Add an EXIF block to a TIFF file: its first directory is written anew at the end."""
    from PIL import Image

    exif = Image.Exif()
    exif.load(block)
    with path.open("r+b") as file:
        header = file.read(8)
        order = _CLASSIC.get(header[:4])
        if order is None:  # a BigTIFF, larger than 4 GB
            return
        file.seek(struct.unpack(order + "I", header[4:])[0])
        (count,) = struct.unpack(order + "H", file.read(2))
        entries = {entry[:2]: entry for entry in (file.read(12) for _ in range(count))}
        for tag in _TAGS:
            text = str(exif.get(tag, "")).encode() + b"\0"
            if len(text) > 1:
                _add(entries, order, tag, _ASCII, len(text), _append(file, text.ljust(5, b"\0")))
        for tag in _DIRECTORIES:
            if exif.get_ifd(tag):
                _add(entries, order, tag, _LONG, 1, _append_directory(file, header, exif.get_ifd(tag)))
        body = b"".join(sorted(entries.values(), key=lambda entry: struct.unpack(order + "H", entry[:2])))
        place = _append(file, struct.pack(order + "H", len(entries)) + body + bytes(4))
        file.seek(4)
        file.write(struct.pack(order + "I", place))


def _add(entries: dict[bytes, bytes], order: str, tag: int, kind: int, count: int, value: int) -> None:
    entry = struct.pack(order + "HHII", tag, kind, count, value)
    entries[entry[:2]] = entry


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
