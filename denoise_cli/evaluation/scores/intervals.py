"""95 % confidence intervals of means and of shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from denoise_cli.evaluation.report.record import Interval

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over images and its uncertainty.

    Attributes:
        mean: Over the finite values; nan where there is none.
        interval: 95 %; None for fewer than two units, which show no spread.
        units: Independent units with a finite value: images, or the photos that they were cut from.
        left_out: Values that are not finite.
    """

    mean: float
    interval: Interval | None
    units: int
    left_out: int


def estimate_mean(values: ArrayLike, groups: ArrayLike | None = None) -> Estimate:
    """Mean of per-image values, with its interval by Student's t.

    The standard error is the jackknife's over units (Efron and Stein 1981), so that images of one
    photo count as one piece of evidence; for units of one size it is the usual s / sqrt(n).

    Args:
        values: (N,); values that are not finite are left out and counted.
        groups: (N,) labels; images of one group (crops of one photo) are one unit. None: each is its own.
    """
    x = np.asarray(values, np.float64)
    labels = np.arange(len(x)) if groups is None else np.asarray(groups)
    keep = np.isfinite(x)
    left_out = int(len(x) - keep.sum())
    x = x[keep]
    if not len(x):
        return Estimate(float("nan"), None, 0, left_out)
    mean = float(x.mean())
    error, units = _standard_error(x, labels[keep])
    if units < 2:
        return Estimate(mean, None, units, left_out)
    half = _t(units - 1) * error
    return Estimate(mean, (mean - half, mean + half), units, left_out)


def share_interval(correct: ArrayLike, groups: ArrayLike | None = None) -> Interval:
    """The 95 % interval of a share of right answers, by Wilson's score (Wilson 1927).

    Answers on images of one photo are counted as fewer: as many as would give the spread that is
    seen between photos (Korn and Graubard 1998), but no fewer than there are photos.

    Args:
        correct: (N,) of bool, N at least 1.
        groups: As for `estimate_mean`.
    """
    x = np.asarray(correct, np.float64)
    share = float(x.mean())
    count: float = len(x)
    from scipy.special import ndtri

    quantile = float(ndtri((1 + _LEVEL) / 2))
    if groups is not None:
        error, units = _standard_error(x, np.asarray(groups))
        if 1 < units < count:
            spread = share * (1 - share) / error**2 if error > 0 else 0.0
            count = float(np.clip(spread, units, count))
            quantile = _t(units - 1)
    z = quantile**2 / count
    centre = (share + z / 2) / (1 + z)
    half = np.sqrt(z * (share * (1 - share) + z / 4)) / (1 + z)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def _standard_error(x: NDArray[np.float64], labels: NDArray[Any]) -> tuple[float, int]:
    """The jackknife standard error of the mean over all of `x`, and the number of units."""
    _, members = np.unique(labels, return_inverse=True)
    sums, counts = np.bincount(members, x), np.bincount(members)
    units = len(sums)
    if units < 2:
        return 0.0, units
    without = (sums.sum() - sums) / (counts.sum() - counts)
    return float(np.sqrt((units - 1) / units * np.square(without - x.mean()).sum())), units


def _t(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + _LEVEL) / 2))
