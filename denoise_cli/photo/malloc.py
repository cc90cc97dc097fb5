"""Give freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_MEBIBYTE = 1 << 20


def return_freed_memory() -> None:
    """Let large blocks go back to the system as soon as they are freed, for the whole process.

    glibc raises the size from which it does so to 32 MB when such a block is first freed;
    after that, freed windows and rows of a photo pile up in its heap. On a 100-megapixel photo
    the peak was 0.82 GB with this and at least 1.0 GB without, at no measured cost in time.
    Other C libraries are left alone.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MEBIBYTE)
