"""Denoise one photo, window by window, with memory that depends on the window alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from denoise_cli.errors import UsageError
from denoise_cli.photo.alpha import fill_hidden
from denoise_cli.photo.colour import LUMA, Array, as_grey, as_rgb, convert_depth, fill_pixels, to_planes
from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.read import Pixels
from denoise_cli.photo.rows import RowBuffer, Rows
from denoise_cli.photo.survey import Survey
from denoise_cli.photo.tiles import Plan, Span, exact_halo, plan_squares, plan_windows
from denoise_cli.photo.windows import WindowRunner
from denoise_cli.photo.write import Sink


@dataclass(frozen=True, slots=True)
class Controls:
    """How much to denoise.

    Attributes:
        tile: `auto`, `exact`, or the side of square windows in pixels.
        strength: Share of the noise found that is removed; 0 leaves the photo as it is.
        detail: Share of the removed brightness (not colour) that is given back as texture.
    """

    tile: str = "auto"
    strength: float = 1.0
    detail: float = 0.0


def denoise_rows(
    rows: Rows,
    found: Survey,
    denoiser: Denoiser,
    controls: Controls,
    sink: Sink,
    *,
    on_share: Callable[[float], None] = lambda share: None,
) -> None:
    """Clean all of a photo and hand it to `sink`, rows from top to bottom.

    Args:
        found: The first look at the photo.
        on_share: Called with the share of the photo finished since the last call.

    Raises:
        UsageError: `controls.tile` is not understood or too small for the model.
    """
    halo = halo_of(denoiser, controls.tile)
    plan = plan_for(denoiser, rows.height, rows.width, controls.tile)
    run = WindowRunner(denoiser, plan, halo, found.thumbnail)
    buffer = RowBuffer(rows, plan.rows[0].stop, plan.width)
    planes = np.empty((rows.channels, plan.rows[0].stop, plan.columns[0].stop), np.float32)
    for span in plan.rows:
        block = buffer.take(span.start, span.stop)
        stop = min(span.keep_stop, rows.height)
        kept = block[span.keep_start - span.start : stop - span.start, : rows.width]
        result = np.empty(kept.shape, sink.dtype)
        for column in plan.columns:
            window = block[:, column.start : column.stop]
            colours = window[..., : rows.channels]
            noisy = to_planes(fill_hidden(colours, window[..., -1]) if rows.alpha else colours, planes)
            clean = run(as_rgb(noisy), span, column)
            if found.grey:
                clean = np.repeat(as_grey(clean), rows.channels, axis=0)
            inside = _inside(span, column, stop, rows.width)
            part = result[:, column.keep_start : column.keep_stop, : rows.channels]
            fill_pixels(part, adjust(noisy[inside], clean[inside], controls))
            on_share(part.shape[0] * part.shape[1] / (rows.height * rows.width))
        if rows.alpha:
            _keep_hidden(result, kept)
        sink.write(result)
        # The next rows are computed before this name is used again.
        del result


def plan_for(denoiser: Denoiser, height: int, width: int, tile: str) -> Plan:
    """The windows of a photo; errors as `denoise_rows`."""
    halo, multiple = halo_of(denoiser, tile), denoiser.info.size_multiple
    if tile in {"auto", "exact"}:
        return plan_windows(height, width, multiple=multiple, halo=halo, limit=denoiser.runtime.window)
    return plan_squares(height, width, multiple=multiple, halo=halo, side=int(tile))


def halo_of(denoiser: Denoiser, tile: str) -> int:
    """Pixels of context around what is kept; errors as `denoise_rows`."""
    if not (tile in {"auto", "exact"} or tile.isdecimal()):
        raise UsageError(f"The tile must be auto, exact or a number of pixels, not {tile!r}.")
    return exact_halo(denoiser.info) if tile == "exact" else denoiser.info.halo


def adjust(noisy: Array, clean: Array, controls: Controls) -> Array:
    """Planes (C, H, W) between the noisy and the clean picture."""
    if controls.strength == 1 and controls.detail == 0:
        return clean
    removed = np.float32(controls.strength) * (noisy - clean)
    if controls.detail:
        luma = np.tensordot(LUMA, removed, 1) if len(removed) == 3 else removed[0]
        removed -= np.float32(controls.detail) * luma
    return noisy - removed


def _inside(rows: Span, columns: Span, bottom: int, right: int) -> tuple[slice, slice, slice]:
    """What is kept of a window's planes, without the padding of the photo."""
    return (
        slice(None),
        slice(rows.keep_start - rows.start, bottom - rows.start),
        slice(columns.keep_start - columns.start, min(columns.keep_stop, right) - columns.start),
    )


def _keep_hidden(result: Pixels, original: Pixels) -> None:
    """Put back alpha, and the colours of fully transparent pixels."""
    original = convert_depth(original, result.dtype)
    result[..., -1] = original[..., -1]
    hidden = original[..., -1] == 0
    result[hidden] = original[hidden]
