"""Paired differences of a comparison, each within the column that is shown; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from denoise_cli.evaluation.comparison.results import Cell, Results
from denoise_cli.evaluation.report.record import Interval
from denoise_cli.evaluation.scores.intervals import estimate_mean


@dataclass(frozen=True, slots=True)
class Difference:
    """PSNR of one method minus that of the best in its column, in dB, image by image.

    Attributes:
        mean: 0 for the best itself.
        interval: 95 %; None for the best itself, and for a single image or photo.
    """

    mean: float
    interval: Interval | None
    is_best: bool


def differences_to_best(results: Results, batch_norm: bool | None, noise: str) -> dict[str, Difference]:
    """The difference of each method that has scores in a column.

    The best has the highest mean of per-image PSNR, whatever the protocol of the scores beside it.
    """
    cells = {method: results.cell(method, batch_norm, noise) for method in results.methods}
    scores = {method: _per_image(cell) for method, cell in cells.items() if cell and cell.image_psnr}
    means = {method: estimate_mean(values).mean for method, values in scores.items()}
    known = {method: mean for method, mean in means.items() if np.isfinite(mean)}
    if not known:
        return {}
    best = max(known, key=lambda method: known[method])
    found = {}
    for method in known:
        pair = estimate_mean(scores[method] - scores[best], results.groups or None)
        # Where the best has no finite score, the others may have no pair with it.
        if method == best or np.isfinite(pair.mean):
            is_best = method == best
            found[method] = Difference(pair.mean, None if is_best else pair.interval, is_best)
    return found


def _per_image(cell: Cell) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in cell.image_psnr])
