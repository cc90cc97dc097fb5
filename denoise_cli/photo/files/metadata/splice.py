"""Add blocks to a file while libvips encodes it, without holding it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyvips

# Given the first bytes: how many of them are replaced, and by what; None: more bytes are needed.
Head = Callable[[bytes], tuple[int, bytes] | None]


class Splicer:
    """Passes the bytes of an encoded file on to `file`, with another head and a tail.

    Args:
        file: Open for writing.
        head: Replaces the first bytes.
        tail: Goes before the last `end` bytes.
    """

    def __init__(self, file: BinaryIO, head: Head, tail: bytes, end: int) -> None:
        self._file, self._head, self._tail, self._end = file, head, tail, end
        self._started = False
        self._held = b""
        self._error: Exception | None = None

    @contextmanager
    def target(self) -> Iterator[pyvips.TargetCustom]:
        """What a saver of libvips writes to; the file is complete when the block ends.

        Raises:
            OSError: The file cannot be written.
        """
        target = pyvips.TargetCustom()
        target.on_write(self._write)
        try:
            yield target
        finally:
            if self._error is not None:
                raise self._error
        self._file.write(self._tail + self._held)

    def _write(self, data: bytes) -> int:
        """Take the next bytes; their number, or -1, as an error must not pass through the C library."""
        try:
            self._add(bytes(data))
        except Exception as error:
            self._error = error
            return -1
        return len(data)

    def _add(self, data: bytes) -> None:
        self._held += data
        if not self._started:
            found = self._head(self._held)
            if found is None:
                return
            self._started = True
            self._file.write(found[1])
            self._held = self._held[found[0] :]
        ready = len(self._held) - self._end
        if ready > 0:
            self._file.write(self._held[:ready])
            self._held = self._held[ready:]
