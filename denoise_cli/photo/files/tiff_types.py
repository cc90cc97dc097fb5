"""Value types of TIFF directories, which EXIF blocks share."""

from __future__ import annotations

# Bytes of a value by the number of its type; 13 and 16 to 18 are of later editions and of BigTIFF.
WIDTHS = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
ORDERS = {b"II": "<", b"MM": ">"}
"""Byte orders as `struct` writes them, by the first bytes of a file."""
