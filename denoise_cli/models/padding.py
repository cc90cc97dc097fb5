"""The padding rule of all denoisers, in PyTorch and NumPy; imports no torch.

A picture is padded at the right and bottom to the network's size multiple: mirrored without
repeating the edge, or, where an axis is too short to be mirrored, by repeating its last row or
column. An exported graph only mirrors: it takes no picture below the size multiple.
"""

from __future__ import annotations


def missing(size: int, multiple: int) -> int:
    """Pixels that an axis of `size` lacks to a multiple of `multiple`."""
    return -size % multiple


def mirrors(size: int, padding: int) -> bool:
    """Whether an axis of `size` is long enough to be mirrored for `padding` pixels."""
    return padding < size
