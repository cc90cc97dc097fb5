"""JPEG segments, and what follows the picture: gain maps, more pictures, videos."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from denoise_cli.photo.files.metadata import exif, xmp
from denoise_cli.photo.files.metadata.types import Blocks, Metadata, Resolution

_EOI, _SOS, _APP0, _APP1, _APP2, _APP13, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_EXIF, _JFIF, _MPF, _ICC = b"Exif\0\0", b"JFIF\0", b"MPF\0", b"ICC_PROFILE\0"
_XMP, _LONG_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
# How the old pixels were coded, and what holds for them only.
_DROPPED = {
    (0xEE, b"Adobe"): "",
    (0xE8, b"SPIFF"): "",
    (0xEB, b"JP"): "content credentials or HDR data (APP11), which hold for the unchanged file only",
}
# The largest segment, without its length.
_MOST = 65533
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
_PIECE = 1 << 20
# Cameras fill their files up; other pictures are larger.
_PADDING = 512
# Scans of a picture and tables between them; there are some ten of them.
_MOST_SCANS = 10_000


def read(file: BinaryIO) -> Metadata:
    """The metadata of a JPEG file; `struct.error` where it is damaged."""
    kept: list[tuple[int, bytes]] = []
    dropped, only_here = [], []
    colours = 0
    for _, marker, body in _segments(file):
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            colours = body[5] if len(body) > 5 else 0
        elif 0xE0 <= marker <= 0xEF or marker == _COM:
            word = next(
                (w for (m, start), w in _DROPPED.items() if m == marker and body.startswith(start)), None
            )
            if word is None:
                kept.append((marker, body))
            elif word:
                dropped.append(word)
    if colours == 4:  # the colours are converted to sRGB
        kept = [(marker, body) for marker, body in kept if not body.startswith(_ICC)]
    end = _end_of_picture(file)
    behind = file.seek(0, 2) - end if end else 0
    packet = _packet(kept)
    for marker, body in kept:
        word = _only_here(marker, body)
        if word:
            only_here.append(word)
    pictures = behind > _PADDING or xmp.announces(packet)
    if pictures and behind:
        only_here.append("gain map" if b"hdrgm" in packet else "data behind the picture")
    return Metadata(
        exif=_first(kept, _APP1, _EXIF),
        xmp=packet,
        icc=_profile(kept),
        photoshop=b"".join(
            body[len(_PHOTOSHOP) :] for m, body in kept if m == _APP13 and body.startswith(_PHOTOSHOP)
        ),
        resolution=_resolution(kept),
        blocks=Blocks(b"".join(_segment(*one) for one in kept), trailer=end if behind else 0),
        only_here=tuple(dict.fromkeys(only_here)),
        dropped=tuple(dict.fromkeys(dropped)),
        kept=("what follows the picture in the file (a gain map, previews, a video)",)
        * (pictures and behind > 0),
    )


def build(metadata: Metadata) -> Metadata:
    """The metadata of another format's file, with the segments that hold them; `dropped` is too large."""
    density: tuple[int, ...] = (0, 1, 1)
    if metadata.resolution is not None:
        shown = metadata.resolution
        if shown.unit != Resolution.NONE:
            x, y = (side * Fraction(254, 10000) for side in shown.per_metre)
            shown = Resolution(x, y)
        sides = [min(max(round(side), 1), 65535) for side in (shown.x, shown.y)]
        density = (int(shown.unit != Resolution.NONE), *sides)
    segments = [(_APP0, _JFIF + struct.pack(">HBHHBB", 0x0101, *density, 0, 0))]
    block, lost = _fitting(metadata.exif)
    if block:
        segments.append((_APP1, _EXIF + block))
    if len(_XMP + metadata.xmp) > _MOST:
        short, long, name = xmp.split(metadata.xmp)
        segments.append((_APP1, _XMP + short))
        for place in range(0, len(long), 65400):
            start = _LONG_XMP + name + struct.pack(">II", len(long), place)
            segments.append((_APP1, start + long[place : place + 65400]))
    elif metadata.xmp:
        segments.append((_APP1, _XMP + metadata.xmp))
    for place in range(0, len(metadata.photoshop), 65500):
        segments.append((_APP13, _PHOTOSHOP + metadata.photoshop[place : place + 65500]))
    parts = [metadata.icc[place : place + 65500] for place in range(0, len(metadata.icc), 65500)]
    if len(parts) > 255:
        lost, parts = (*lost, "colour profile of more than 16 MB"), []
    for number, part in enumerate(parts, start=1):
        segments.append((_APP2, _ICC + bytes([number, len(parts)]) + part))
    return replace(metadata, blocks=Blocks(b"".join(_segment(*one) for one in segments)), dropped=lost)


def head(start: bytes, blocks: Blocks) -> tuple[int, bytes] | None:
    """Replace the encoder's segments before the tables by the blocks' head."""
    place = 2
    while len(start) >= place + 4:
        marker, length = struct.unpack(">xBH", start[place : place + 4])
        if not (0xE0 <= marker <= 0xEF or marker == _COM):
            return place, start[:2] + blocks.head
        place += 2 + length
    return None


def add_trailer(file: BinaryIO, blocks: Blocks, photo: BinaryIO) -> None:
    """Copy what follows the picture in the photo's file, and correct the places that the MPF index says."""
    end = file.seek(0, 2)
    photo.seek(blocks.trailer)
    while piece := photo.read(_PIECE):
        file.write(piece)
    sign = _MPF + b"II*\0", _MPF + b"MM\0*"
    new = next((2 + blocks.head.find(start) + len(_MPF) for start in sign if start in blocks.head), 0)
    old = next((place + len(_MPF) for place, _, body in _segments(photo) if body.startswith(sign)), 0)
    if not new or not old:
        return
    segment = blocks.head[new - 2 :]
    order = "<" if segment.startswith(b"II") else ">"
    for entry in _pictures(segment, order):
        size, offset = struct.unpack_from(order + "II", segment, entry + 4)
        if offset:
            offset += old - blocks.trailer + end - new
        else:
            size = end
        if 0 <= offset < 2**32:
            file.seek(new + entry + 4)
            file.write(struct.pack(order + "II", size, offset))


def _pictures(index: bytes, order: str) -> Iterator[int]:
    """Places of the entries of an MPF index, from the index' start."""
    try:
        (place,) = struct.unpack_from(order + "I", index, 4)
        (count,) = struct.unpack_from(order + "H", index, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, _, size, first = struct.unpack_from(order + "HHII", index, entry)
            if tag == 0xB002 and size < _MOST:
                yield from range(first, first + size // 16 * 16, 16)
    except struct.error:
        return


def _segments(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Place of the content, marker and content of the segments before the pixels; `file` is left there."""
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        raise struct.error("no JPEG file")
    while marker := _next_marker(file):
        if marker in {_SOS, _EOI}:
            return
        length = file.read(2)
        place = file.tell()
        yield place, marker, file.read(max(0, int.from_bytes(length) - 2))


def _next_marker(file: BinaryIO) -> int:
    """The next marker that begins a segment or ends the picture, after which `file` is left; 0: none."""
    start = file.tell()
    held = b""
    size = 64
    while piece := file.read(size):
        # Few bytes where markers are close to each other.
        size = min(2 * size, _PIECE)
        held += piece
        found = _MARKER.search(held)
        if found:
            file.seek(start + found.end())
            return found[0][1]
        start, held = start + len(held) - 1, held[-1:]
    return 0


def _end_of_picture(file: BinaryIO) -> int:
    """The place after the first picture, from its first scan on; 0 where it does not end."""
    for _ in range(_MOST_SCANS):
        length = int.from_bytes(file.read(2))
        file.seek(max(0, length - 2), 1)
        marker = _next_marker(file)
        if marker in {0, _EOI}:
            return file.tell() if marker else 0
    return 0


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _first(segments: Sequence[tuple[int, bytes]], marker: int, start: bytes) -> bytes:
    """The first segment of this kind, without its start."""
    return next((body[len(start) :] for m, body in segments if m == marker and body.startswith(start)), b"")


def _packet(segments: Sequence[tuple[int, bytes]]) -> bytes:
    """The XMP packet, with the extended one that it points to."""
    packet = _first(segments, _APP1, _XMP)
    name = xmp.extended_name(packet)
    if not name:
        return packet
    start = _LONG_XMP + name
    parts = {
        body[len(start) + 4 : len(start) + 8]: body[len(start) + 8 :]
        for marker, body in segments
        if marker == _APP1 and body.startswith(start)
    }
    return xmp.join(packet, b"".join(parts[place] for place in sorted(parts)))


def _profile(segments: Sequence[tuple[int, bytes]]) -> bytes:
    """The colour profile; its parts are numbered from 1."""
    parts = {
        body[len(_ICC)]: body[len(_ICC) + 2 :]
        for marker, body in segments
        if marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2
    }
    return b"".join(parts[number] for number in sorted(parts))


def _resolution(segments: Sequence[tuple[int, bytes]]) -> Resolution | None:
    found = exif.resolution(exif.read_block(_first(segments, _APP1, _EXIF)))
    header = _first(segments, _APP0, _JFIF)
    if found is not None or len(header) < 7:
        return found
    unit, x, y = struct.unpack(">BHH", header[2:7])
    if not x or not y or (unit == 0 and x == y):
        return None
    return Resolution(Fraction(x), Fraction(y), unit + 1)


def _only_here(marker: int, body: bytes) -> str:
    """What a segment holds that no other format has a place for, in words."""
    if marker == _COM:
        return "comment"
    elsewhere = (_EXIF, _XMP, _LONG_XMP, _ICC, _MPF, _JFIF, b"JFXX\0", _PHOTOSHOP)
    return "" if body.startswith(elsewhere) else f"APP{marker - _APP0} data"


def _fitting(block: bytes) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block that one segment holds, and what had to be left out of it."""
    if len(block) <= _MOST - len(_EXIF):
        return block, ()
    directory = exif.read_block(block)
    small = exif.pack_block(exif.smaller(directory, 2048)) if directory else b""
    lost = "EXIF values of more than 2 kB (as maker notes and the thumbnail)"
    return (
        (small, (lost,)) if 0 < len(small) <= _MOST - len(_EXIF) else (b"", ("EXIF data of more than 64 kB",))
    )
