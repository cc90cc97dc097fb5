"""Run-length encoded BMP files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def decode_runs(data: bytes, width: int, height: int, bits: int) -> NDArray[np.uint8]:
    """Palette numbers (H, W), the first stored row first; 0 where the file skips pixels.

    Args:
        bits: Of a pixel: 4 or 8.

    Raises:
        ValueError: A run leaves the picture, or the file ends early.
    """
    rows = np.zeros((height, width), np.uint8)
    x = y = place = 0
    while place + 1 < len(data):
        count, value = data[place : place + 2]
        place += 2
        if count == 0 and value < 3:
            if value == 1:
                return rows
            if value == 0:
                x, y = 0, y + 1
            else:
                if place + 2 > len(data):
                    break
                x, y = x + data[place], y + data[place + 1]
                place += 2
            continue
        if count:
            run = _pixels(bytes([value]) * (count * bits + 7 >> 3), bits)[:count]
        else:
            count, size = value, value * bits + 7 >> 3
            run = _pixels(data[place : place + size], bits)[:count]
            # Runs start on even places.
            place += size + size % 2
        if x + count > width or y >= height or len(run) < count:
            raise ValueError("a run leaves the picture")
        rows[y, x : x + count] = run
        x += count
    # Some programs leave the mark at the end out.
    if y >= height or (y == height - 1 and x == width):
        return rows
    raise ValueError("it ends early")


def _pixels(data: bytes, bits: int) -> NDArray[np.uint8]:
    stored = np.frombuffer(data, np.uint8)
    return stored if bits == 8 else np.stack([stored >> 4, stored & 15], axis=1).ravel()
