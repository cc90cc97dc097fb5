"""Boxes of AVIF and HEIC files, as in ISO/IEC 14496-12 and 23008-12: items, their properties and places."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

_MOST = 1 << 26


@dataclass(slots=True)
class Meta:
    """The content of a `meta` box: places of its boxes and properties, and the properties of its items."""

    data: bytes
    boxes: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    primary: int = 0
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    of_items: dict[int, list[int]] = field(default_factory=dict)


class Extent(NamedTuple):
    """Where a part of an item lies: `method` 0 in the file; `place` and `sizes` are those of the numbers."""

    item: int
    method: int
    base: int
    offset: int
    length: int
    place: int
    sizes: tuple[int, int]

    @property
    def start(self) -> int:
        return self.base + self.offset


def boxes_in(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind of the boxes, and where their content begins and ends."""
    while place + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = place + size if size else end
        if stop < start or stop > end:
            raise struct.error("a box ends late")
        yield kind, start, stop
        place = stop


def find_meta(file: BinaryIO) -> bytes:
    """The content of a file's `meta` box."""
    size, place = file.seek(0, 2), 0
    while place + 8 <= size:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        start = place + 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            start += 8
        stop = place + length if length else size
        if kind == b"meta":
            if not start <= stop <= start + _MOST:
                break
            return file.read(stop - start)
        if stop <= place:
            break
        place = stop
    raise struct.error("no meta box")


def meta_place(data: bytes) -> tuple[int, int]:
    return next((start, end) for kind, start, end in boxes_in(data, 0, len(data)) if kind == b"meta")


def parse(data: bytes) -> Meta:
    meta = Meta(data)
    # Version and flags come before the boxes.
    for kind, start, end in boxes_in(data, 4, len(data)):
        meta.boxes.setdefault(kind, (start - 8, end))
    start = meta.boxes[b"pitm"][0] + 8
    meta.primary = int.from_bytes(data[start + 4 : start + (8 if data[start] else 6)])
    start, stop = meta.boxes[b"iprp"]
    for kind, inner, end in boxes_in(data, start + 8, stop):
        if kind == b"ipco":
            meta.properties = list(boxes_in(data, inner, end))
        elif kind == b"ipma":
            version, wide = data[inner], data[inner + 3] & 1
            place = inner + 8
            while place < end:
                size = 4 if version else 2
                item, count = int.from_bytes(data[place : place + size]), data[place + size]
                place += size + 1
                step = 2 if wide else 1
                for at in range(place, place + count * step, step):
                    number = int.from_bytes(data[at : at + step]) & (0x7FFF if wide else 0x7F)
                    meta.of_items.setdefault(item, []).append(number)
                place += count * step
    return meta


def properties_of(meta: Meta, item: int) -> list[tuple[bytes, int, int]]:
    return [meta.properties[n - 1] for n in meta.of_items.get(item, []) if 0 < n <= len(meta.properties)]


def kinds(meta: Meta) -> dict[int, bytes]:
    """The kinds of the items; of those of the kind `mime` the content type."""
    start, stop = meta.boxes[b"iinf"]
    data = meta.data
    result = {}
    for kind, inner, end in boxes_in(data, start + 8 + (8 if data[start + 8] else 6), stop):
        if kind == b"infe" and data[inner] >= 2:
            size = 4 if data[inner] == 3 else 2
            item = int.from_bytes(data[inner + 4 : inner + 4 + size])
            name, *rest = data[inner + 6 + size : end].split(b"\0", 2)
            result[item] = rest[0] if name[:4] == b"mime" and rest else name[:4]
    return result


def references(meta: Meta) -> Iterator[tuple[bytes, int, list[int]]]:
    """Kind, item, and items that it refers to."""
    if b"iref" not in meta.boxes:
        return
    start, stop = meta.boxes[b"iref"]
    size = 4 if meta.data[start + 8] else 2
    for kind, inner, _ in boxes_in(meta.data, start + 12, stop):
        count = int.from_bytes(meta.data[inner + size : inner + size + 2])
        ids = [
            int.from_bytes(meta.data[at : at + size])
            for at in (inner, *range(inner + size + 2, inner + size + 2 + count * size, size))
        ]
        yield kind, ids[0], ids[1:]


def first_tile(meta: Meta, item: int) -> int:
    """The item itself, or the first of those that a grid is made of."""
    if kinds(meta).get(item) != b"grid":
        return item
    return next(
        (to[0] for kind, source, to in references(meta) if kind == b"dimg" and source == item and to), item
    )


def extents(meta: Meta) -> Iterator[Extent]:
    """The parts of all items."""
    start, _ = meta.boxes[b"iloc"]
    data, place = meta.data, start + 14

    def take(size: int) -> int:
        nonlocal place
        place += size
        if place > len(data):
            raise struct.error("it ends early")
        return int.from_bytes(data[place - size : place])

    version = data[start + 8]
    sizes = data[start + 12] >> 4, data[start + 12] & 15
    base_size, index_size = data[start + 13] >> 4, data[start + 13] & 15 if version else 0
    if not any((*sizes, index_size)):
        raise struct.error("extents without a place")  # billions of them would take no room
    for _ in range(take(4 if version == 2 else 2)):
        item = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        for _ in range(take(2)):
            take(index_size)
            here = place
            offset = take(sizes[0])
            yield Extent(item, method, base, offset, take(sizes[1]), here, sizes)


def item_data(file: BinaryIO, meta: Meta, item: int, most: int) -> bytes:
    """The first bytes of an item."""
    result = bytearray()
    for extent in extents(meta):
        if extent.item != item or len(result) >= most:
            continue
        length = min(extent.length or most, most - len(result))
        if extent.method == 1 and b"idat" in meta.boxes:
            start = meta.boxes[b"idat"][0] + 8 + extent.start
            result += meta.data[start : start + length]
        elif extent.method == 0:
            file.seek(extent.start)
            result += file.read(length)
    return bytes(result)
