"""WebP chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from denoise_cli.photo.files.metadata import exif
from denoise_cli.photo.files.metadata.types import Blocks, Metadata

_PIXELS = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
_ICC, _EXIF, _XMP = b"ICCP", b"EXIF", b"XMP "
_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG = 0x20, 0x10, 0x08, 0x04


def read(file: BinaryIO) -> Metadata:
    """The metadata of a WebP file; `struct.error` where it is damaged."""
    head, tail = b"", []
    found: dict[bytes, bytes] = {}
    only_here = []
    lossless = False
    for name, body in _chunks(file):
        lossless = lossless or name == b"VP8L"
        if name in _PIXELS:
            continue
        found.setdefault(name, body)
        if name == _ICC:
            head = head or _chunk(name, body)
            continue
        tail.append(_chunk(name, body))
        if name not in {_EXIF, _XMP}:
            only_here.append(f"{name.decode('latin-1')} chunk")
    return Metadata(
        exif=found.get(_EXIF, b"").removeprefix(b"Exif\0\0"),
        xmp=found.get(_XMP, b""),
        icc=found.get(_ICC, b""),
        resolution=exif.resolution(exif.read_block(found.get(_EXIF, b"").removeprefix(b"Exif\0\0"))),
        blocks=Blocks(head, b"".join(tail)),
        only_here=tuple(dict.fromkeys(only_here)),
        lossless=lossless,
    )


def build(metadata: Metadata) -> Metadata:
    """The metadata of another format's file, with the chunks that hold them."""
    head = _chunk(_ICC, metadata.icc) if metadata.icc else b""
    tail = _chunk(_EXIF, metadata.exif) if metadata.exif else b""
    tail += _chunk(_XMP, metadata.xmp) if metadata.xmp else b""
    return replace(metadata, blocks=Blocks(head, tail))


def head(start: bytes, blocks: Blocks) -> tuple[int, bytes] | None:
    """Replace the encoder's header by one that says what the blocks hold, followed by the blocks' head."""
    if len(start) < 30:
        return None
    if not blocks.head and not blocks.tail:
        return 0, b""
    (size,) = struct.unpack_from("<I", start, 4)
    name = start[12:16]
    if name == b"VP8X":
        used, flags, sides = 30, start[20] & _ALPHA_FLAG, start[24:30]
    else:
        used, flags = 12, 0
        if name == b"VP8L":
            (bits,) = struct.unpack_from("<I", start, 21)
            width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF
            flags = _ALPHA_FLAG * (bits >> 28 & 1)
        else:
            width, height = (side % 0x4000 - 1 for side in struct.unpack_from("<HH", start, 26))
        sides = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    names = {blocks.tail[place : place + 4] for place in _places(blocks.tail)}
    flags |= _ICC_FLAG * bool(blocks.head) | _EXIF_FLAG * (_EXIF in names) | _XMP_FLAG * (_XMP in names)
    header = _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides) + blocks.head
    size += len(header) - (used - 12) + len(blocks.tail)
    return used, b"RIFF" + struct.pack("<I", size) + b"WEBP" + header


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks; that of pixels is left out."""
    size = file.seek(0, 2)
    place = 12
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        body = b"" if name in _PIXELS else file.read(length)
        if place + 8 + length > size:
            return
        yield name, body
        place += 8 + length + length % 2


def _places(chunks: bytes) -> Iterator[int]:
    place = 0
    while place < len(chunks):
        yield place
        (length,) = struct.unpack_from("<I", chunks, place + 4)
        place += 8 + length + length % 2


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
