"""Rows of a photo, read ahead in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread

import numpy as np

from denoise_cli.models.padding import mirrors
from denoise_cli.photo.pixels.types import Pixels, Rows

# Small strips reuse freed memory; larger ones were mapped and zeroed every time, a third of the read time.
_READ_ROWS = 32
# Read-ahead budget, counted as 16-bit samples.
_AHEAD_BYTES = 32_000_000


class RowBuffer:
    """Gives overlapping blocks of rows, padded as the model pads, reading each row once.

    Args:
        rows: The photo.
        most: Height of the blocks that will be asked for.
        width: Width of the padded photo.
    """

    def __init__(self, rows: Rows, most: int, width: int) -> None:
        self._height, self._width = rows.height, rows.width
        strip_bytes = _READ_ROWS * rows.width * (rows.channels + rows.alpha) * 2
        self._strips = prefetch(rows.strips(_READ_ROWS), max(2, _AHEAD_BYTES // strip_bytes))
        self._strip = next(self._strips)
        self._block = np.empty((most, width, self._strip.shape[2]), self._strip.dtype)
        self._first = self._next = 0

    def take(self, start: int, stop: int) -> Pixels:
        """Rows `start` to `stop` of the padded photo, valid until the next call.

        Rows before `start` are dropped. The block is one array throughout: a copy of it would be the
        largest allocation after a window.
        """
        self._block[: self._next - start] = self._block[start - self._first : self._next - self._first]
        self._first = start
        while self._next < min(stop, self._height):
            if not len(self._strip):
                self._strip = next(self._strips)
            count = min(len(self._strip), stop - self._next)
            place = self._next - start
            self._block[place : place + count, : self._width] = self._strip[:count]
            self._strip = self._strip[count:]
            self._next += count
        block = self._block[: stop - start]
        _pad(block, self._height - start, self._height)
        _pad(block.swapaxes(0, 1), self._width, self._width)
        return block


def prefetch(items: Iterator[Pixels], depth: int) -> Iterator[Pixels]:
    """The same items, produced up to `depth` ahead in a thread, whose errors are re-raised here."""
    queue: Queue[Pixels | BaseException | None] = Queue(depth)
    stopped = Event()

    def put(item: Pixels | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=0.1)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    Thread(target=work, daemon=True).start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()


def _pad(block: Pixels, inside: int, size: int) -> None:
    """Fill the rows from `inside` on by the rule of `models.padding`; the photo's axis has `size` pixels."""
    count = len(block) - inside
    if count > 0:
        block[inside:] = block[inside - 2 - np.arange(count) if mirrors(size, count) else inside - 1]
