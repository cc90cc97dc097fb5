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


def amended(data: bytes, exif: bytes, cicp: tuple[int, int] | None) -> list[bytes]:
    """An encoded picture, in pieces, with this EXIF block in place of its own, and these colours."""
    start, end = meta_place(data)
    meta = parse(data[start:end])
    parts, grown = meta.data, 0
    if cicp is not None:
        parts = _with_colours(meta, data, cicp)
        grown = len(parts) - len(meta.data)
    item = next(item for item, kind in kinds(meta).items() if kind == b"Exif") if exif else 0
    body = b"\0\0\0\6Exif\0\0" + exif if exif else b""
    content = bytearray(parts)
    for extent in extents(parse(parts)):
        new, length = extent.offset + grown, extent.length
        if body and extent.item == item:
            new, length = len(data) + grown + 8 - extent.base, len(body)
        if extent.method == 0:
            place, size = extent.place, extent.sizes
            content[place : place + size[0]] = new.to_bytes(size[0])
            content[place + size[0] : place + sum(size)] = length.to_bytes(size[1])
    head = data[: start - 8] + struct.pack(">I4s", len(content) + 8, b"meta") + bytes(content)
    tail = struct.pack(">I4s", len(body) + 8, b"mdat") + body if body else b""
    return [head, data[end:], tail]


def _with_colours(meta: Meta, data: bytes, cicp: tuple[int, int]) -> bytes:
    """The content of the meta box with these primaries and transfer function for the primary item."""
    for kind, start, end in properties_of(meta, meta.primary):
        if kind == b"colr" and meta.data[start : start + 4] == b"nclx":
            return (
                meta.data[: start + 4]
                + struct.pack(">HH", *cicp)
                + meta.data[start + 8 : end]
                + meta.data[end:]
            )
    start = next(extent.start for extent in extents(meta) if extent.item == meta.primary)
    av1 = read_av1(data[start : start + 4096])
    matrix, full = (av1.matrix, av1.full_range) if av1 is not None else (2, True)
    # Libheif's own choice where it does not say it.
    box = b"nclx" + struct.pack(">HHHB", *cicp, 6 if matrix == 2 else matrix, 128 * full)
    box = struct.pack(">I4s", 8 + len(box), b"colr") + box
    place, stop = meta.boxes[b"iprp"]
    inner = {kind: (a, b) for kind, a, b in boxes_in(meta.data, place + 8, stop)}
    (ipco, ipco_end), (ipma, ipma_end) = inner[b"ipco"], inner[b"ipma"]
    properties = meta.data[ipco:ipco_end] + box
    associations = _associated(meta.data[ipma:ipma_end], meta.primary, len(meta.properties) + 1)
    content = struct.pack(">I4s", len(properties) + 8, b"ipco") + properties
    content += struct.pack(">I4s", len(associations) + 8, b"ipma") + associations
    return meta.data[:place] + struct.pack(">I4s", len(content) + 8, b"iprp") + content + meta.data[stop:]


def _associated(body: bytes, item: int, number: int) -> bytes:
    """The content of an `ipma` box with one more property for an item."""
    version, wide = body[0], body[3] & 1
    result, place = bytearray(body[:8]), 8
    while place < len(body):
        size = 4 if version else 2
        same = int.from_bytes(body[place : place + size]) == item
        count = body[place + size]
        end = place + size + 1 + count * (2 if wide else 1)
        result += body[place : place + size] + bytes([count + same]) + body[place + size + 1 : end]
        if same:
            result += number.to_bytes(2 if wide else 1)
        place = end
    return bytes(result)
