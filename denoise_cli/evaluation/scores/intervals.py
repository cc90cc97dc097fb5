"""95 % confidence intervals of means, by bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
_LEVEL = 0.95
_SEED = 0
_CHUNK = 100


def mean_interval(values: ArrayLike, groups: ArrayLike | None = None) -> tuple[float, float, float]:
    """Mean of per-image values with its 95 % percentile bootstrap interval.

    Args:
        values: (N,); values that are not finite are left out.
        groups: (N,) images of one group (crops of one photo) are drawn together.

    Returns:
        Mean, lower and upper end; nan where there is no finite value.
    """
    x = np.asarray(values, np.float64)
    labels = np.arange(len(x)) if groups is None else np.asarray(groups)
    keep = np.isfinite(x)
    x, labels = x[keep], labels[keep]
    if not len(x):
        return (float("nan"),) * 3
    _, members = np.unique(labels, return_inverse=True)
    sums, counts = np.bincount(members, x), np.bincount(members).astype(np.float64)
    means = _resampled_means(sums, counts)
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(x.mean()), float(low), float(high)


def seed_interval(values: ArrayLike) -> tuple[float, float] | None:
    """The 95 % interval of the mean of a few runs' values, by Student's t; None for a single run."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return None
    from scipy.special import stdtrit

    half = stdtrit(len(x) - 1, (1 + _LEVEL) / 2) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean() - half), float(x.mean() + half)


def _resampled_means(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """Means of `RESAMPLES` draws of the groups with replacement."""
    generator = np.random.default_rng(_SEED)
    means = []
    for _ in range(RESAMPLES // _CHUNK):
        drawn = generator.integers(len(sums), size=(_CHUNK, len(sums)))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    return np.concatenate(means)
