"""Denoise one photo, window by window, with memory that depends on the window alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np

from denoise_cli.errors import UsageError
from denoise_cli.photo.colour import Array, as_grey, as_rgb, convert_depth, from_planes, to_planes
from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.read import Pixels
from denoise_cli.photo.resize import linear_weights
from denoise_cli.photo.survey import Rows, Survey
from denoise_cli.photo.tiles import Plan, Span, exact_halo, plan_squares, plan_windows
from denoise_cli.photo.write import Sink


@dataclass(frozen=True, slots=True)
class Source:
    """The photo at work.

    Attributes:
        rows: Its pixels.
        alpha: Whether the last channel is alpha.
        survey: The first look at it.
    """

    rows: Rows
    alpha: bool
    survey: Survey


def plan_for(denoiser: Denoiser, height: int, width: int, tile: str) -> Plan:
    """The windows of a photo.

    Args:
        tile: `auto`, `exact`, or the side of square windows in pixels.

    Raises:
        UsageError: A side too small for the model.
    """
    info = denoiser.info
    multiple = info.size_multiple
    if tile not in {"auto", "exact"}:
        return plan_squares(height, width, multiple=multiple, halo=info.halo, side=_side(tile))
    halo = exact_halo(info) if tile == "exact" else info.halo
    return plan_windows(height, width, multiple=multiple, halo=halo, limit=denoiser.runtime.window)


def denoise_rows(
    photo: Source,
    denoiser: Denoiser,
    plan: Plan,
    sink: Sink,
    dtype: np.dtype[Any],
    *,
    on_pixels: Callable[[int], None] = lambda count: None,
) -> None:
    """Clean all rows of `photo` and hand them to `sink` as pixels of `dtype`.

    Args:
        on_pixels: Called with the number of pixels finished since the last call.
    """
    rows = photo.rows
    guidance = None
    if denoiser.guided and photo.survey.thumbnail is not None:
        guidance = denoiser.runtime.guidance(photo.survey.thumbnail)
    buffer = _RowBuffer(rows, plan)
    for span in plan.rows:
        block = buffer.take(span.start, span.stop)
        last = min(span.keep_stop, rows.height)
        result = np.empty((last - span.keep_start, rows.width, block.shape[2]), dtype)
        if photo.alpha:
            kept = block[span.keep_start - span.start : last - span.start, : rows.width]
            result[..., rows.channels :] = convert_depth(kept[..., rows.channels :], dtype)
        for column in plan.columns:
            planes = to_planes(block[:, column.start : column.stop, : rows.channels])
            cut = None if guidance is None else _guidance_part(guidance, plan, span, column)
            clean = denoiser.runtime.run(as_rgb(planes)[None], cut)[0]
            if photo.survey.grey:
                clean = np.repeat(as_grey(clean), rows.channels, axis=0)
            right = min(column.keep_stop, rows.width)
            inside = (
                slice(None),
                slice(span.keep_start - span.start, last - span.start),
                slice(column.keep_start - column.start, right - column.start),
            )
            part = from_planes(clean[inside], dtype)
            result[:, column.keep_start : right, : rows.channels] = part
            on_pixels(part.shape[0] * part.shape[1])
        sink.write(result)


class _RowBuffer:
    """Rows of a photo, read ahead in a thread, padded to the plan's size as the model pads."""

    def __init__(self, rows: Rows, plan: Plan) -> None:
        self._size = rows.height, rows.width
        self._plan = plan
        self._strips = prefetch(rows.strips(min(256, plan.rows[0].stop)))
        self._kept: list[Pixels] = []
        self._first = self._next = 0

    def take(self, start: int, stop: int) -> Pixels:
        """Rows `start` to `stop` of the padded photo; earlier rows are let go."""
        height, width = self._size
        while self._next < min(stop, height):
            strip = next(self._strips)
            self._kept.append(strip)
            self._next += len(strip)
        while self._first + len(self._kept[0]) <= start:
            self._first += len(self._kept.pop(0))
        block = np.concatenate(self._kept)[start - self._first : stop - self._first]
        bottom, right = max(0, stop - height), self._plan.width - width
        if bottom:
            block = np.pad(block, ((0, bottom), (0, 0), (0, 0)), "reflect" if bottom < height else "edge")
        if right:
            block = np.pad(block, ((0, 0), (0, right), (0, 0)), "reflect" if right < width else "edge")
        return block


def prefetch(items: Iterator[Pixels], depth: int = 2) -> Iterator[Pixels]:
    """The same items, made in a thread up to `depth` ahead; its errors are raised here."""
    queue: Queue[Pixels | BaseException | None] = Queue(depth)

    def work() -> None:
        try:
            for item in items:
                queue.put(item)
            queue.put(None)
        except BaseException as error:
            queue.put(error)

    Thread(target=work, daemon=True).start()
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _guidance_part(guidance: Array, plan: Plan, rows: Span, columns: Span) -> Array:
    """The window's part of the map, resized to 1/8 of the padded photo."""
    vertical = linear_weights(guidance.shape[2], plan.height // 8, rows.start // 8, rows.stop // 8)
    horizontal = linear_weights(guidance.shape[3], plan.width // 8, columns.start // 8, columns.stop // 8)
    return (vertical @ guidance @ horizontal.T).astype(np.float32, copy=False)


def _side(tile: str) -> int:
    if not tile.isdigit():
        raise UsageError(f"The tile must be auto, exact or a number of pixels, not {tile!r}.")
    return int(tile)
