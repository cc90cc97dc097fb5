"""What is added to an AVIF or HEIC file that libvips has encoded: EXIF data as they are, and colours."""

from __future__ import annotations

import struct

from denoise_cli.photo.files.metadata.av1 import read_av1
from denoise_cli.photo.files.metadata.boxes import (
    Meta,
    boxes_in,
    extents,
    kinds,
    meta_place,
    parse,
    properties_of,
)

PLACEHOLDER = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
"""An empty EXIF block, which libvips may rewrite, for `amended` to replace."""


def amended(data: bytes, exif: bytes, cicp: tuple[int, int] | None, orientation: int = 1) -> list[bytes]:
    """An encoded picture, in pieces, with metadata added to it.

    Args:
        exif: Takes the place of the file's EXIF block; empty: the file has none.
        cicp: Primaries and transfer function of the colours.
        orientation: How it is turned for display, numbered as in EXIF.
    """
    start, end = meta_place(data)
    meta = parse(data[start:end])
    item = next(item for item, kind in kinds(meta).items() if kind == b"Exif") if exif else 0
    body = b"\0\0\0\6Exif\0\0" + exif if exif else b""
    content = bytearray(_with_properties(meta, _colours(meta, data, cicp), _TURNS.get(orientation, ())))
    if cicp is not None:
        content = _recoloured(content, cicp)
    grown = len(content) - len(meta.data)
    for extent in extents(parse(bytes(content))):
        new, length = extent.offset + grown, extent.length
        if body and extent.item == item:
            new, length = len(data) + grown + 8 - extent.base, len(body)
        if extent.method == 0:
            place, size = extent.place, extent.sizes
            content[place : place + size[0]] = new.to_bytes(size[0])
            content[place + size[0] : place + sum(size)] = length.to_bytes(size[1])
    head = data[: start - 8] + _box(b"meta", bytes(content))
    return [head, data[end:], _box(b"mdat", body) if body else b""]


def _colours(meta: Meta, data: bytes, cicp: tuple[int, int] | None) -> tuple[bytes, ...]:
    """The box that says the colours, where they are asked for and the picture has none yet."""
    said = any(
        kind == b"colr" and meta.data[start : start + 4] == b"nclx"
        for kind, start, _ in properties_of(meta, meta.primary)
    )
    if cicp is None or said:
        return ()
    start = next(extent.start for extent in extents(meta) if extent.item == meta.primary)
    av1 = read_av1(data[start : start + 4096])
    # Libheif's own choice of a matrix where the picture does not say it.
    matrix = 6 if av1 is None or av1.matrix == 2 else av1.matrix
    full = av1 is None or av1.full_range
    return (_box(b"colr", b"nclx" + struct.pack(">HHHB", *cicp, matrix, 128 * full)),)


def _recoloured(content: bytearray, cicp: tuple[int, int]) -> bytearray:
    """The content of a meta box whose primary item has these primaries and this transfer function."""
    meta = parse(bytes(content))
    for kind, start, _ in properties_of(meta, meta.primary):
        if kind == b"colr" and content[start : start + 4] == b"nclx":
            content[start + 4 : start + 8] = struct.pack(">HH", *cicp)
    return content


def _with_properties(meta: Meta, primary: tuple[bytes, ...], pictures: tuple[bytes, ...]) -> bytes:
    """The content of a meta box with more properties for the primary item, and for all pictures."""
    if not primary and not pictures:
        return meta.data
    place, stop = meta.boxes[b"iprp"]
    inner = {kind: (a, b) for kind, a, b in boxes_in(meta.data, place + 8, stop)}
    (ipco, ipco_end), (ipma, ipma_end) = inner[b"ipco"], inner[b"ipma"]
    first = len(meta.properties) + 1
    numbers = range(first, first + len(primary)), range(first + len(primary), first + len(primary + pictures))
    properties = meta.data[ipco:ipco_end] + b"".join(primary + pictures)
    associations = _associated(meta.data[ipma:ipma_end], meta.primary, *numbers)
    content = _box(b"ipco", properties) + _box(b"ipma", associations)
    return meta.data[:place] + _box(b"iprp", content) + meta.data[stop:]


def _associated(body: bytes, primary: int, its: range, all_pictures: range) -> bytes:
    """The content of an `ipma` box with more properties; those of all pictures must be understood."""
    version, wide = body[0], body[3] & 1
    width, essential = (2, 0x8000) if wide else (1, 0x80)
    result, place = bytearray(body[:8]), 8
    while place < len(body):
        size = 4 if version else 2
        own = its if int.from_bytes(body[place : place + size]) == primary else ()
        count = body[place + size]
        end = place + size + 1 + count * width
        result += body[place : place + size] + bytes([count + len(own) + len(all_pictures)])
        result += body[place + size + 1 : end]
        for number in (*own, *(essential | number for number in all_pictures)):
            result += number.to_bytes(width)
        place = end
    return bytes(result)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


_ROTATED = {quarters: _box(b"irot", bytes([quarters])) for quarters in (1, 2, 3)}
_MIRRORED = {axis: _box(b"imir", bytes([axis])) for axis in (0, 1)}
# By EXIF's number: quarters of a turn to the left, then a mirror.
_TURNS = {
    2: (_MIRRORED[1],),
    3: (_ROTATED[2],),
    4: (_MIRRORED[0],),
    5: (_ROTATED[1], _MIRRORED[0]),
    6: (_ROTATED[3],),
    7: (_ROTATED[3], _MIRRORED[0]),
    8: (_ROTATED[1],),
}
