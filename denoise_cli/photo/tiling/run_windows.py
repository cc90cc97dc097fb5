"""Run a denoiser on windows of a photo, with their part of the guidance, within the device's memory."""

from __future__ import annotations

import numpy as np

from denoise_cli.errors import DenoiseError
from denoise_cli.photo.pixels.resize import linear_weights
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WindowTooLargeError
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.photo.tiling.plan import Plan, Span, split_axis


class WindowRunner:
    """Denoises the windows of one photo.

    Args:
        denoiser: What to run.
        plan: The photo's windows.
        halo: Context in pixels, for windows that have to be halved.
        thumbnail: Of the whole photo, for a guided model.
        level: Standard deviation of the photo's noise on [0, 1], for a network that takes it.
    """

    def __init__(
        self, denoiser: PhotoDenoiser, plan: Plan, halo: int, thumbnail: Array | None, level: float = 0.0
    ) -> None:
        self._denoiser, self._plan, self._halo = denoiser, plan, halo
        self._guidance = None if thumbnail is None else denoiser.runtime.guidance(thumbnail)
        self._level = np.full((1, 1, 1, 1), level, np.float32) if denoiser.takes_level else None

    def __call__(self, planes: Array, rows: Span, columns: Span) -> Array:
        """Denoise the window (3, h, w) that lies at `rows` and `columns`."""
        guidance = self._level if self._guidance is None else self._part(self._guidance, rows, columns)
        clean: Array = self._run(planes[None], guidance)[0]
        return clean

    def _run(self, window: Array, guidance: Array | None) -> Array:
        """Denoise (1, 3, h, w); in halves where the device has no memory for the whole."""
        denoiser = self._denoiser
        if window.shape[2] * window.shape[3] <= denoiser.fits:
            try:
                with denoiser.lock:
                    return denoiser.runtime.run(window, guidance)
            except WindowTooLargeError:
                denoiser.fits = window.shape[2] * window.shape[3] // 2
        axis = 2 if window.shape[2] >= window.shape[3] else 3
        spans = split_axis(window.shape[axis], 2, denoiser.info.size_multiple, self._halo)
        if spans[0].stop == window.shape[axis]:
            raise DenoiseError("The device has no memory for even a small tile.", "Use --device cpu.")
        parts = []
        for span in spans:
            cut = guidance
            if guidance is not None and self._guidance is not None:
                cut = _slice(guidance, axis, span.start // 8, span.stop // 8)
            part = self._run(_slice(window, axis, span.start, span.stop), cut)
            parts.append(_slice(part, axis, span.keep_start - span.start, span.keep_stop - span.start))
        joined: Array = np.concatenate(parts, axis)
        return joined

    def _part(self, guidance: Array, rows: Span, columns: Span) -> Array:
        """The window's part of the map, resized to 1/8 of the padded photo."""
        vertical = linear_weights(guidance.shape[2], self._plan.height // 8, rows.start // 8, rows.stop // 8)
        horizontal = linear_weights(
            guidance.shape[3], self._plan.width // 8, columns.start // 8, columns.stop // 8
        )
        return np.asarray(vertical @ guidance @ horizontal.T, np.float32)


def _slice(x: Array, axis: int, start: int, stop: int) -> Array:
    index = [slice(None)] * x.ndim
    index[axis] = slice(start, stop)
    return np.ascontiguousarray(x[tuple(index)])
