"""Types that all of `photo` shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""Pixels (H, W, C) as a file holds them: uint8, uint16 or float32."""

Array = NDArray[np.float32]
"""Planes (C, H, W), or any part of them, in [0, 1]."""

FLOAT_MOST = 16.0
"""Noise pushes floats slightly past 1; larger ones are on another scale, such as 0 to 255."""


class Rows(Protocol):
    """Rows of a picture: a photo file or an array in memory."""

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


class Sink(Protocol):
    """Takes finished rows from top to bottom, of one dtype."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def write(self, strip: Pixels) -> None:
        """Add rows (h, W, C)."""
