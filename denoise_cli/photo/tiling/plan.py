"""Cut a photo into overlapping windows, which a network processes one at a time.

Windows start on the network's size multiple, all have one shape (runtimes plan memory per
shape), and overlap by at least two halos; each pixel is kept from the window in which it lies
at least one halo away from every cut. At the photo's own edges no halo is needed: there the
window ends where the whole photo would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from denoise_cli.errors import UsageError
from denoise_cli.models.info import ModelInfo


@dataclass(frozen=True, slots=True)
class Span:
    """One window along one axis, in pixels of the padded photo.

    Attributes:
        start, stop: What the network sees.
        keep_start, keep_stop: What is kept of its output.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All windows of a photo: every combination of a row span and a column span.

    Attributes:
        rows, columns: Spans from top to bottom and from left to right.
        height, width: Size of the photo padded to the size multiple.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def height(self) -> int:
        return self.rows[-1].stop

    @property
    def width(self) -> int:
        return self.columns[-1].stop


def exact_halo(info: ModelInfo) -> int:
    """The halo, in pixels, with which tiles equal the whole photo to float tolerance."""
    return round_up(info.receptive_radius, info.size_multiple)


def plan_windows(height: int, width: int, *, multiple: int, halo: int, limit: int) -> Plan:
    """The cheapest plan whose windows have at most about `limit` pixels.

    Args:
        height, width: Size of the photo.
        multiple: The network's size multiple.
        halo: Pixels of context around what is kept.
        limit: Largest window area in pixels; exceeded only where the halo leaves no choice.
    """
    rows, columns = round_up(height, multiple), round_up(width, multiple)
    candidates = []
    for down in range(1, _fewest(rows, multiple, halo, 0) + 1):
        tall = window_size(rows, down, multiple, halo)
        across = _fewest(columns, multiple, halo, limit // tall)
        area = tall * window_size(columns, across, multiple, halo)
        candidates.append((area > limit, area * down * across, down * across, down, across))
    *_, down, across = min(candidates)
    return Plan(split_axis(rows, down, multiple, halo), split_axis(columns, across, multiple, halo))


def plan_squares(height: int, width: int, *, multiple: int, halo: int, side: int) -> Plan:
    """A plan whose windows are at most `side` pixels wide and high.

    Raises:
        UsageError: The side leaves nothing between the halos.
    """
    if side < 2 * halo + multiple:
        raise UsageError(
            f"A tile of {side} pixels is too small for this model.", f"Use at least {2 * halo + multiple}."
        )
    rows, columns = round_up(height, multiple), round_up(width, multiple)
    return Plan(
        split_axis(rows, _fewest(rows, multiple, halo, side), multiple, halo),
        split_axis(columns, _fewest(columns, multiple, halo, side), multiple, halo),
    )


def split_axis(size: int, count: int, multiple: int, halo: int) -> tuple[Span, ...]:
    """`count` spans of one length over `size` pixels, on the multiple; fewer where they would repeat."""
    length = window_size(size, count, multiple, halo)
    last = (size - length) // multiple
    count = min(count, last + 1)
    starts = [multiple * (last * number // max(1, count - 1)) for number in range(count)]
    cuts = [0]
    for left, right in pairwise(starts):
        cuts.append((left + length + right) // 2)
    cuts.append(size)
    return tuple(
        Span(start, start + length, *cuts[number : number + 2]) for number, start in enumerate(starts)
    )


def window_size(size: int, count: int, multiple: int, halo: int) -> int:
    """Length of `count` spans that cover `size` pixels and overlap by two halos or more."""
    if count == 1:
        return size
    # Starts are rounded down to the multiple, so neighbours may lie one multiple further apart.
    overlap = round_up(2 * halo, multiple)
    steps = math.ceil((size - overlap) / multiple / count)
    return min(size, overlap + steps * multiple)


def _fewest(size: int, multiple: int, halo: int, limit: int) -> int:
    """The smallest number of windows of at most `limit` pixels, as far as the halo allows."""
    if size <= limit:
        return 1
    overlap = round_up(2 * halo, multiple)
    steps = max(1, (limit - overlap) // multiple)
    return max(1, math.ceil((size - overlap) / (steps * multiple)))


def round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
