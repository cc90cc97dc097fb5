"""Push rows into libvips as an uncompressed PNG, strip by strip.

libvips savers pull rows from an image. To save rows as they are computed, without ever holding
the whole picture, they are handed over as a PNG file whose data is stored rather than deflated.
"""

from __future__ import annotations

import struct
import zlib
from queue import Queue
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_PIECE = 16
_MAGIC = b"\x89PNG\r\n\x1a\n"


class CancelledError(Exception):
    """The reader went away, or the writer gave up."""


class PngStream:
    """A PNG file whose bytes one thread writes and another reads.

    Args:
        height, width, channels: Shape of the picture; 1 to 4 channels.
        dtype: uint8 or uint16.
    """

    def __init__(self, height: int, width: int, channels: int, dtype: np.dtype[Any]) -> None:
        # A window's rows may wait, so that computing and encoding overlap without piling up.
        self._queue: Queue[NDArray[Any] | None] = Queue(maxsize=128)
        self._deflate = zlib.compressobj(level=0)
        self._ended = self._closed = False
        header = struct.pack(">IIBBBBB", width, height, dtype.itemsize * 8, _COLOUR_TYPES[channels], 0, 0, 0)
        self._rest = memoryview(_MAGIC + _chunk(b"IHDR", header))

    def write(self, strip: NDArray[Any]) -> None:
        """Add rows (h, W, C), which must stay as they are; waits while the reader is behind."""
        for top in range(0, len(strip), _PIECE):
            self._put(strip[top : top + _PIECE])

    def finish(self) -> None:
        """Tell the reader that the picture is complete."""
        self._put(None)

    def cancel(self) -> None:
        """Give up: the reader sees a file that ends early."""
        self.close()
        self._queue.put(None)

    def close(self) -> None:
        """The reader is done; a waiting writer is released."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait()

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        if not len(self._rest) and not self._ended:
            self._rest = memoryview(self._next())
        part = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return part

    def _next(self) -> bytes:
        """The bytes of the rows that come next."""
        strip = self._queue.get()
        if strip is None:
            self._ended = True
            return b"" if self._closed else _chunk(b"IDAT", self._deflate.flush()) + _chunk(b"IEND", b"")
        rows = strip.astype(strip.dtype.newbyteorder(">"), copy=False).reshape(len(strip), -1)
        raw = rows.view(np.uint8).reshape(len(strip), -1)
        filtered = np.zeros((len(raw), raw.shape[1] + 1), np.uint8)
        filtered[:, 1:] = raw
        return _chunk(b"IDAT", self._deflate.compress(filtered.data))

    def _put(self, strip: NDArray[Any] | None) -> None:
        if self._closed:
            raise CancelledError
        self._queue.put(strip)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
