"""The directories of a TIFF or BigTIFF file; every number in them is checked against the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.files.tiff_types import ORDERS, WIDTHS

# Codes of numpy by the number of a type of whole numbers.
_WHOLE = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_MOST_ENTRIES = 4096
_MOST_DIRECTORIES = 1000


class BrokenTiffError(Exception):
    """A TIFF file whose numbers do not fit it; the text says how."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag: its type's number, how many values, and where in the file they are."""

    kind: int
    count: int
    place: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags that describe one picture of a file."""

    tiff: Tiff = field(repr=False)
    entries: dict[int, Entry]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag's values, in the file's byte order.

        Raises:
            BrokenTiffError: They lie outside the file.
        """
        entry = self.entries[tag]
        size = WIDTHS.get(entry.kind, 0) * entry.count
        if not size or entry.place + size > self.tiff.size:
            raise BrokenTiffError(f"tag {tag} lies outside it")
        return self.tiff.read(entry.place, size)

    def numbers(self, tag: int) -> NDArray[np.uint64]:
        """The whole numbers of a tag; none where it is missing.

        Raises:
            BrokenTiffError: They are no whole numbers, or lie outside the file.
        """
        if tag not in self.entries:
            return np.empty(0, np.uint64)
        code = _WHOLE.get(self.entries[tag].kind)
        if code is None:
            raise BrokenTiffError(f"tag {tag} holds no whole numbers")
        return np.frombuffer(self.raw(tag), self.tiff.order + code).astype(np.uint64)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag; errors as `numbers`."""
        values = self.numbers(tag)
        return int(values[0]) if len(values) else default

    def below(self, tag: int) -> Iterator[Directory]:
        """The directories that a tag points to, as far as they can be read."""
        try:
            for place in self.numbers(tag)[:_MOST_DIRECTORIES]:
                yield self.tiff.directory(int(place))[0]
        except BrokenTiffError:
            return


class Tiff:
    """A TIFF file opened for reading.

    Attributes:
        order: Byte order as `struct` writes it.
        size: Bytes of the file.

    Raises:
        BrokenTiffError: Its header is not one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        head = self.read(0, 16).ljust(16, b"\0")
        self.order = ORDERS[head[:2]]
        (version,) = struct.unpack(self.order + "H", head[2:4])
        self._big = version == 43
        # Directories: the count's format, an entry's, and a place's.
        self._formats = ("Q", "HHQ", "Q") if self._big else ("H", "HHI", "I")
        first = head[8:16] if self._big else head[4:8]
        (self._first,) = struct.unpack(self.order + self._formats[2], first)

    def read(self, place: int, count: int) -> bytes:
        self._file.seek(place)
        return self._file.read(count)

    def directories(self) -> Iterator[Directory]:
        """Those of the main chain, which ends where it leaves the file, is broken, or comes back.

        Raises:
            BrokenTiffError: The first is not there, or there is no end to them.
        """
        seen: set[int] = set()
        place = self._first
        while place and place not in seen and (not seen or place < self.size):
            if len(seen) == _MOST_DIRECTORIES:
                raise BrokenTiffError(f"it has more than {_MOST_DIRECTORIES} pages")
            seen.add(place)
            try:
                directory, place = self.directory(place)
            except BrokenTiffError:
                if len(seen) == 1:
                    raise
                return
            yield directory
        if not seen:
            raise BrokenTiffError("it has no picture")

    def directory(self, place: int) -> tuple[Directory, int]:
        """The directory at a place, and where the next one is."""
        counting, entry_format, place_format = (self.order + code for code in self._formats)
        start = place + struct.calcsize(counting)
        if start > self.size:
            raise BrokenTiffError("its directory lies outside it")
        (count,) = struct.unpack(counting, self.read(place, start - place))
        step = struct.calcsize(entry_format) + struct.calcsize(place_format)
        data = self.read(start, count * step) if count <= _MOST_ENTRIES else b""
        if not data or len(data) < count * step:
            raise BrokenTiffError("its directory is not whole")
        entries: dict[int, Entry] = {}
        for number in range(count):
            tag, kind, values = struct.unpack_from(entry_format, data, number * step)
            inline = (number + 1) * step - struct.calcsize(place_format)
            (there,) = struct.unpack_from(place_format, data, inline)
            if WIDTHS.get(kind, 0) * values <= struct.calcsize(place_format):
                there = start + inline
            # Of a tag that comes twice, the first is right.
            entries.setdefault(tag, Entry(kind, values, there))
        end = self.read(start + count * step, struct.calcsize(place_format))
        following = struct.unpack(place_format, end)[0] if len(end) == struct.calcsize(place_format) else 0
        return Directory(self, entries), following
