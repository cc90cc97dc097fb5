"""Denoise one photo, window by window, with memory that depends on the window alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from denoise_cli.errors import UsageError
from denoise_cli.photo.first_look import FirstLook
from denoise_cli.photo.pixels.alpha import fill_hidden
from denoise_cli.photo.pixels.colour import (
    as_grey,
    as_rgb,
    convert_depth,
    fill_pixels,
    from_planes,
    to_planes,
)
from denoise_cli.photo.pixels.fade import REACH, fade, limits_of
from denoise_cli.photo.pixels.types import Array, Pixels, Rows, Sink
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.photo.tiling.plan import Plan, Span, exact_halo, plan_squares, plan_windows
from denoise_cli.photo.tiling.row_buffer import RowBuffer
from denoise_cli.photo.tiling.run_windows import WindowRunner

_COPIED_ROWS = 32
# Rows that are finished at once: they stay in the processor's cache, and are written while the next are made.
_BAND = 64
# In standard deviations of the noise: larger changes in a stretched picture are stars.
_MOST = 4.0
_Place = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the brightness noise and of the colour noise goes, 0 to 1."""

    luma: float
    chroma: float


@dataclass(frozen=True, slots=True)
class Controls:
    """The strength of denoising.

    Attributes:
        tile: `auto`, `exact`, or the side of square windows in pixels.
        strength: Share of the noise found that is removed; 0 leaves the photo as it is.
        luma, chroma: Of that share, how much of the brightness noise and of the colour noise.
        level: Standard deviation of the noise on [0, 1] for a network that takes it; None: as measured.
    """

    tile: str = "auto"
    strength: float = 1.0
    luma: float = 1.0
    chroma: float = 1.0
    level: float | None = None


def denoise_rows(
    rows: Rows,
    found: FirstLook,
    denoiser: PhotoDenoiser,
    controls: Controls,
    sink: Sink,
    *,
    on_share: Callable[[float], None] = lambda share: None,
) -> float:
    """Clean all of a photo and hand it to `sink`, rows from top to bottom.

    Args:
        found: The first look at the photo.
        on_share: Called with the share of the photo finished since the last call.

    Returns:
        RMS change that the network would have made, on the network's scale [0, 1].

    Raises:
        UsageError: `controls.tile` is not understood or too small for the model.
    """
    shares = Shares(controls.strength * controls.luma, controls.strength * controls.chroma)
    return denoise_versions(rows, found, denoiser, controls, [(shares, sink)], on_share=on_share)


def denoise_versions(
    rows: Rows,
    found: FirstLook,
    denoiser: PhotoDenoiser,
    controls: Controls,
    versions: Sequence[tuple[Shares, Sink]],
    *,
    on_share: Callable[[float], None] = lambda share: None,
) -> float:
    """Clean all of a photo in several versions, for which the network runs once.

    Args:
        controls: Its strength, luma and chroma are not used.
        versions: What goes into each, and where it is written.
        rows, found, denoiser, on_share: As for `denoise_rows`.

    Returns:
        As `denoise_rows`.

    Raises:
        UsageError: `controls.tile` is not understood or too small for the model.
    """
    halo = halo_of(denoiser, controls.tile)
    plan = plan_for(denoiser, rows.height, rows.width, controls.tile)
    window = _Window(denoiser, plan, halo, found, controls, [shares for shares, _ in versions])
    if window.idle:
        _copy(rows, [sink for _, sink in versions], on_share)
        return 0.0
    buffer = RowBuffer(rows, plan.rows[0].stop, plan.width)
    planes = np.empty((rows.channels, plan.rows[0].stop, plan.columns[0].stop), np.float32)
    for span in plan.rows:
        block = buffer.take(span.start, span.stop)
        stop = min(span.keep_stop, rows.height)
        kept = block[span.keep_start - span.start : stop - span.start, : rows.width]
        results = [np.empty(kept.shape, sink.dtype) for _, sink in versions]
        for column in plan.columns:
            pixels = block[:, column.start : column.stop]
            colours = pixels[..., : rows.channels]
            noisy = to_planes(fill_hidden(colours, pixels[..., -1]) if rows.alpha else colours, planes)
            for band, cleaned in window(noisy, span, column, (rows.height, rows.width)):
                for (_, sink), result, clean in zip(versions, results, cleaned, strict=True):
                    part = result[band, column.keep_start : column.keep_stop, : rows.channels]
                    fill_pixels(part, clean)
                    if column is plan.columns[-1]:
                        if rows.alpha:
                            _keep_hidden(result[band], kept[band])
                        sink.write(result[band])
            on_share(kept.shape[0] * part.shape[1] / (rows.height * rows.width))
        # Free the strips before computing the next ones.
        del results, result, part
    return float(np.sqrt(window.changed / (rows.height * rows.width)))


class _Window:
    """Cleans the windows of one photo.

    Attributes:
        changed: Sum over pixels of the squared change that the network would have made so far.
    """

    def __init__(
        self,
        denoiser: PhotoDenoiser,
        plan: Plan,
        halo: int,
        found: FirstLook,
        controls: Controls,
        versions: Sequence[Shares],
    ) -> None:
        self._found = found
        self._limits = limits_of(found.noise_seen, denoiser.info)
        self._versions = versions
        self.changed = 0.0
        level = float(np.mean(found.noise_seen.sigma)) if controls.level is None else controls.level
        self.idle = all(
            shares.luma * self._limits.luma == 0 == shares.chroma * self._limits.chroma for shares in versions
        )
        self._run = None if self.idle else WindowRunner(denoiser, plan, halo, found.thumbnail, level)

    def __call__(
        self, noisy: Array, rows: Span, columns: Span, size: tuple[int, int]
    ) -> Iterator[tuple[slice, list[Array]]]:
        """Bands of the kept part of a window of the photo's planes (C, h, w), cleaned, in each version.

        With each band come its rows, counted from the first that is kept.
        """
        assert self._run is not None
        stretch = self._found.stretch
        seen = noisy if stretch is None else stretch(noisy)
        clean = self._run(as_rgb(seen), rows, columns)
        height, width = (min(span.keep_stop, most) for span, most in zip((rows, columns), size, strict=True))
        for top in range(rows.keep_start, height, _BAND):
            bottom = min(top + _BAND, height)
            vertical = _around(top, bottom, rows, size[0])
            horizontal = _around(columns.keep_start, width, columns, size[1])
            outer, inner = ((slice(None), *places) for places in zip(vertical, horizontal, strict=True))
            kept = slice(top - rows.keep_start, bottom - rows.keep_start)
            yield kept, self._versions_of(noisy[outer], seen[outer], clean[outer], inner)

    def _versions_of(self, noisy: Array, seen: Array, clean: Array, inner: _Place) -> list[Array]:
        """The part `inner` of a band, in each version."""
        stretch = self._found.stretch
        removed = seen - clean
        if self._found.grey:
            removed = as_grey(removed)
        kept = removed[inner]
        squares = np.einsum("chw,chw->hw", kept, kept)
        self.changed += float(squares.sum(dtype=np.float64)) / len(kept)
        noisy, seen = noisy[inner], seen[inner]
        most = _MOST * np.array(self._found.noise.sigma, np.float32)[:, None, None]
        cleaned = []
        for shares in self._versions:
            if shares == Shares(0, 0):
                cleaned.append(noisy)
                continue
            taken = fade(removed, self._limits, shares.luma, shares.chroma)[inner]
            clean = noisy - taken if stretch is None else stretch.restore(noisy, seen, taken, most)
            cleaned.append(clean)
        return cleaned


def _copy(rows: Rows, sinks: Sequence[Sink], on_share: Callable[[float], None]) -> None:
    """Copy a photo unchanged, but for the depth and for floats outside [0, 1]."""
    for strip in rows.strips(_COPIED_ROWS):
        for sink in sinks:
            same = strip.dtype == sink.dtype and strip.dtype.kind == "u"
            sink.write(strip if same else from_planes(to_planes(strip), sink.dtype))
        on_share(len(strip) / rows.height)


def plan_for(denoiser: PhotoDenoiser, height: int, width: int, tile: str) -> Plan:
    """The windows of a photo; errors as `denoise_rows`."""
    # Around what is kept, the change must be right as far as it is measured.
    halo, multiple = halo_of(denoiser, tile) + REACH, denoiser.info.size_multiple
    if tile in {"auto", "exact"}:
        return plan_windows(height, width, multiple=multiple, halo=halo, limit=denoiser.runtime.window)
    return plan_squares(height, width, multiple=multiple, halo=halo, side=int(tile))


def halo_of(denoiser: PhotoDenoiser, tile: str) -> int:
    """Pixels of context that the network needs; errors as `denoise_rows`."""
    if not (tile in {"auto", "exact"} or tile.isdecimal()):
        raise UsageError(f"The tile must be auto, exact or a number of pixels, not {tile!r}.")
    if tile == "exact" and not denoiser.info.receptive_radius:
        raise UsageError(
            "How far the network of another program sees is not known, so no tile is exact.",
            "Leave --tile out.",
        )
    return exact_halo(denoiser.info) if tile == "exact" else denoiser.info.halo


def _around(start: int, stop: int, span: Span, size: int) -> tuple[slice, slice]:
    """Along one axis: `start` to `stop` with `REACH` pixels around them in a window, and they in that.

    Args:
        start, stop: In the photo, which has `size` pixels along the axis.
        span: The window.
    """
    first, last = max(span.start, start - REACH), min(span.stop, size, stop + REACH)
    return slice(first - span.start, last - span.start), slice(start - first, stop - first)


def _keep_hidden(result: Pixels, original: Pixels) -> None:
    """Put back alpha, and the colours of fully transparent pixels."""
    original = convert_depth(original, result.dtype)
    result[..., -1] = original[..., -1]
    hidden = original[..., -1] == 0
    result[hidden] = original[hidden]
