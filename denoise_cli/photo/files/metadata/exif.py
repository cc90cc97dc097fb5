"""EXIF blocks and TIFF directories: read them whole, and pack them at another place."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from denoise_cli.photo.files.metadata.types import ExifDirectory, ExifEntry, Resolution
from denoise_cli.photo.files.tiff_types import ORDERS, WIDTHS

EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
DIRECTORIES = {EXIF, GPS, INTEROP}
"""Tags whose value is the place of another directory."""
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, UNIT = 0x0112, 0x011A, 0x011B, 0x0128
RESOLUTION = {X_RESOLUTION, Y_RESOLUTION, UNIT}
_MAKER_NOTE = 0x927C
SHORT, LONG, RATIONAL = 3, 4, 5
# Bytes of the numbers that a value is made of, by type.
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


class TiffReader:
    """Reads directories of a TIFF structure, each byte of it at most once on average.

    Raises:
        struct.error: It is not one, or is damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.damaged: list[int] = []
        # Values that overlap could otherwise add up to any size.
        self._size = file.seek(0, io.SEEK_END)
        self._budget = 2 * self._size + 4096
        file.seek(0)
        start = file.read(16)
        order = ORDERS.get(start[:2])
        if order is None:
            raise struct.error("no TIFF structure")
        self.order = order
        (magic,) = struct.unpack(order + "H", start[2:4])
        self.big = magic == 43
        if self.big:
            (self.first,) = struct.unpack(order + "Q", start[8:16])
        else:
            (self.first,) = struct.unpack(order + "I", start[4:8])

    def directory(self, place: int, depth: int = 0) -> tuple[ExifDirectory, int]:
        """The directory at a place, and the place of the next one; damaged values are left out."""
        counter, width = ("Q", 20) if self.big else ("H", 12)
        (count,) = struct.unpack(self.order + counter, self._take(place, struct.calcsize(counter)))
        place += struct.calcsize(counter)
        table = self._take(place, count * width)
        result = ExifDirectory(self.order, {}, {})
        for start in range(0, len(table), width):
            (tag,) = struct.unpack_from(self.order + "H", table, start)
            try:
                entry = self._entry(table[start : start + width])
                if tag not in DIRECTORIES:
                    result.entries.setdefault(tag, entry)
                elif depth < 2:
                    below = int.from_bytes(entry.data[:8], "little" if self.order == "<" else "big")
                    result.below[tag] = self.directory(below, depth + 1)[0]
            except struct.error:
                self.damaged.append(tag)
        pointer = "Q" if self.big else "I"
        end = self._take(place + len(table), struct.calcsize(pointer), whole=False)
        following = struct.unpack(self.order + pointer, end)[0] if len(end) == struct.calcsize(pointer) else 0
        return result, following

    def _entry(self, data: bytes) -> ExifEntry:
        kind, count = struct.unpack_from(self.order + ("HQ" if self.big else "HI"), data, 2)
        inline = data[-8:] if self.big else data[-4:]
        size = WIDTHS.get(kind, 0) * count
        if not size:
            raise struct.error("no value")
        if size > len(inline):
            (place,) = struct.unpack(self.order + ("Q" if self.big else "I"), inline)
            return ExifEntry(kind, count, self._take(place, size))
        return ExifEntry(kind, count, inline[:size])

    def _take(self, place: int, size: int, whole: bool = True) -> bytes:
        if size > self._budget or place > self._size or (whole and place + size > self._size):
            raise struct.error("more data than the file has")
        self._budget -= size
        self._file.seek(place)
        return self._file.read(size)


def pack_directory(
    directory: ExifDirectory, order: str, place: int, *, big: bool = False, following: int = 0
) -> bytes:
    """The bytes of a directory and those below it, to be put at an even place of a file."""
    counter, pointer, width = ("Q", "Q", 20) if big else ("H", "I", 12)
    room = 8 if big else 4
    entries: dict[int, tuple[int, int, bytes]] = {}
    for tag, entry in directory.entries.items():
        plain = entry if big else _narrowed(entry, directory.order)
        entries[tag] = plain.kind, plain.count, in_order(plain, directory.order, order)
    number = len(entries) + len(directory.below)
    table = bytearray(struct.pack(order + counter, number))
    start = place + len(table) + number * width + room
    after = bytearray()
    for tag in sorted({*entries, *directory.below}):
        if tag in directory.below:
            value = struct.pack(order + pointer, start + len(after))
            kind, count = 16 if big else LONG, 1
            after += pack_directory(directory.below[tag], order, start + len(after), big=big)
        else:
            kind, count, value = entries[tag]
            if len(value) > room:
                data, value = value, struct.pack(order + pointer, start + len(after))
                after += data
        after += bytes(len(after) % 2)
        table += struct.pack(order + "HH" + pointer, tag, kind, count) + value.ljust(room, b"\0")
    return bytes(table) + struct.pack(order + pointer, following) + bytes(after)


def pack_block(directory: ExifDirectory) -> bytes:
    """An EXIF block of its own, in the directory's order of bytes."""
    start = (b"II" if directory.order == "<" else b"MM") + struct.pack(directory.order + "HI", 42, 8)
    return start + pack_directory(directory, directory.order, 8)


def read_block(block: bytes) -> ExifDirectory | None:
    """The first directory of an EXIF block; None where it is damaged."""
    try:
        reader = TiffReader(io.BytesIO(block))
        return reader.directory(reader.first)[0]
    except (struct.error, ValueError, OverflowError):
        return None


def upright(block: bytes) -> bytes:
    """The block with the orientation 1, for pixels that were turned; everything stays in its place."""
    try:
        order = ORDERS[block[:2]]
        (place,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == ORIENTATION and kind == SHORT:
                return block[: entry + 8] + struct.pack(order + "H", 1) + block[entry + 10 :]
    except (KeyError, struct.error):
        return block
    return block


def resolution(directory: ExifDirectory | None) -> Resolution | None:
    """The resolution that a directory's tags say."""
    if directory is None:
        return None
    pairs = [numbers(directory.entries.get(tag), directory.order) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    unit = numbers(directory.entries.get(UNIT), directory.order)
    if (
        not all(len(pair) == 2 and all(pair) for pair in pairs)
        or unit[1:]
        or unit not in {(), (1,), (2,), (3,)}
    ):
        return None
    x, y = (Fraction(*pair) for pair in pairs)
    found = Resolution(x, y, *unit)
    # Square pixels of no size.
    return None if found.unit == Resolution.NONE and found.x == found.y else found


def resolution_entries(found: Resolution) -> dict[int, ExifEntry]:
    """The tags that say a resolution, in little-endian order."""
    sides = [side.limit_denominator(10_000) for side in (found.x, found.y)]
    packed = [
        ExifEntry(RATIONAL, 1, struct.pack("<II", min(side.numerator, 2**32 - 1), side.denominator))
        for side in sides
    ]
    return {
        X_RESOLUTION: packed[0],
        Y_RESOLUTION: packed[1],
        UNIT: ExifEntry(SHORT, 1, struct.pack("<H", found.unit)),
    }


def smaller(directory: ExifDirectory, most: int) -> ExifDirectory:
    """The directory without values of more bytes than `most`."""
    entries = {tag: entry for tag, entry in directory.entries.items() if len(entry.data) <= most}
    below = {tag: smaller(inner, most) for tag, inner in directory.below.items()}
    return ExifDirectory(directory.order, entries, below)


def has_maker_note(block: bytes) -> bool:
    """Whether the block holds notes of the camera's maker, which often say places in the file."""
    directory = read_block(block)
    return directory is not None and EXIF in directory.below and _MAKER_NOTE in directory.below[EXIF].entries


def orientation(block: bytes) -> int:
    """How the picture is turned for display; 1 where the block does not say it."""
    directory = read_block(block)
    found = numbers(directory.entries.get(ORIENTATION), directory.order) if directory is not None else ()
    return found[0] if found else 1


def in_order(entry: ExifEntry, old: str, new: str) -> bytes:
    """The bytes of a value in another order."""
    width = _WORDS.get(entry.kind)
    if old == new or width is None:
        return entry.data
    return np.frombuffer(entry.data, f"<u{width}").byteswap().tobytes()


def numbers(entry: ExifEntry | None, order: str) -> tuple[int, ...]:
    """The whole numbers of a value, of rationals both parts; none if it is of another type."""
    if entry is None or entry.kind not in {1, 3, 4, 5, 16}:
        return ()
    return tuple(int(n) for n in np.frombuffer(entry.data, f"{order}u{_WORDS.get(entry.kind, 1)}"))


def without(entries: Mapping[int, ExifEntry], tags: set[int]) -> dict[int, ExifEntry]:
    """The entries but for these tags."""
    return {tag: entry for tag, entry in entries.items() if tag not in tags}


def _narrowed(entry: ExifEntry, order: str) -> ExifEntry:
    """A value of 8-byte numbers, which only large TIFF files have, as 4-byte ones."""
    if entry.kind not in {16, 17, 18}:
        return entry
    wide = np.frombuffer(entry.data, f"{order}u8")
    return ExifEntry({16: 4, 17: 9, 18: 13}[entry.kind], entry.count, wide.astype(f"{order}u4").tobytes())
