"""Rows of a photo, read ahead in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Protocol

import numpy as np

from denoise_cli.photo.read import Pixels

STRIP = 256


class Rows(Protocol):
    """What a photo file and an array in memory have in common."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def alpha(self) -> bool: ...

    def strips(self, rows: int) -> Iterator[Pixels]:
        """All pixels from top to bottom, at most `rows` rows at a time."""


class RowBuffer:
    """Gives overlapping blocks of rows, padded as the model pads, reading each row once.

    Args:
        rows: The photo.
        most: Height of the tallest block that will be asked for.
        width: Width of the padded photo.
    """

    def __init__(self, rows: Rows, most: int, width: int) -> None:
        self._height, self._width, self._padded_width = rows.height, rows.width, width
        self._strips = prefetch(rows.strips(min(STRIP, most)))
        self._kept: list[Pixels] = []
        self._first = self._next = 0

    def take(self, start: int, stop: int) -> Pixels:
        """Rows `start` to `stop` of the padded photo; rows before `start` are let go."""
        while self._next < min(stop, self._height):
            strip = next(self._strips)
            self._kept.append(strip)
            self._next += len(strip)
        while self._first + len(self._kept[0]) <= start:
            self._first += len(self._kept.pop(0))
        # One array from now on, so that the strips it was joined from are let go.
        self._kept = [np.concatenate(self._kept)[start - self._first :]]
        self._first = start
        block = self._kept[0][: stop - start]
        block = _pad(block, 0, max(0, stop - self._height), self._height)
        return _pad(block, 1, self._padded_width - self._width, self._width)


def prefetch(items: Iterator[Pixels], depth: int = 2) -> Iterator[Pixels]:
    """The same items, made in a thread up to `depth` ahead; its errors are raised here."""
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


def _pad(block: Pixels, axis: int, count: int, size: int) -> Pixels:
    """`models.layers.pad_to_multiple` for one axis of a photo that is `size` pixels long."""
    if count == 0:
        return block
    widths = [(0, 0)] * 3
    widths[axis] = (0, count)
    return np.pad(block, widths, "reflect" if count < size else "edge")
