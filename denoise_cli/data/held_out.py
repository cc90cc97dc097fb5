"""Which pictures of a folder without a test part are kept for testing."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

Split = Literal["train", "test"]


def part_of(names: Sequence[str], split: Split, share: float) -> list[int]:
    """Indices of the pictures of one split, by the hash of their names.

    A picture stays where it is whatever else is in the folder, on any machine and with any seed;
    only the one that is tested on where the share holds none may change.

    Args:
        names: Paths relative to the folder, with slashes.
        split: Which part to list.
        share: Of the pictures that are for testing; 0 makes one set of all, for either split.
    """
    if share == 0 or len(names) < 2:
        return list(range(len(names)))
    places = [_place(name) for name in names]
    tested = {index for index, place in enumerate(places) if place < share}
    tested = tested or {places.index(min(places))}
    return [index for index in range(len(names)) if (index in tested) == (split == "test")]


def _place(name: str) -> float:
    """A number in [0, 1), evenly spread over names."""
    return int.from_bytes(sha256(name.encode("utf-8", "surrogateescape")).digest()[:8]) / 2**64
