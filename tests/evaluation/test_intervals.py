"""Confidence intervals against scipy's own and against theory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t

from denoise_cli.evaluation.scores.intervals import mean_interval, seed_interval


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Skewed values, as scores are."""
    return 20 + 3 * np.random.default_rng(seed).gamma(2, size=count)


@pytest.mark.parametrize("count", [10, 60, 500])
def test_single_values_agree_with_scipy(count: int) -> None:
    values = drawn(count)
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(values.mean())
    expected = bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=1)
    width = expected.confidence_interval.high - expected.confidence_interval.low
    # An end of 2000 resamples strays by some 3 % of the width.
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.05 * width)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.05 * width)


def test_many_values_agree_with_the_normal_interval() -> None:
    values = drawn(5000)
    _, low, high = mean_interval(values)
    half = norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert (high - low) / 2 == pytest.approx(half, rel=0.07)
    assert (high + low) / 2 == pytest.approx(values.mean(), abs=0.1 * half)


def test_copies_of_a_photo_are_no_new_evidence() -> None:
    values = drawn(40)
    copies, groups = np.repeat(values, 25), np.repeat(np.arange(40), 25)
    alone, grouped, ungrouped = mean_interval(values), mean_interval(copies, groups), mean_interval(copies)
    assert grouped == pytest.approx(alone)
    assert ungrouped[0] == pytest.approx(alone[0])
    # The standard error falls with the root of the number of values.
    shrunk = (alone[2] - alone[1]) / (ungrouped[2] - ungrouped[1])
    assert shrunk == pytest.approx(5, rel=0.1)


def test_groups_of_different_sizes_agree_with_scipy() -> None:
    """The mean over all images is a ratio of two sums over groups, which are drawn together."""
    generator = np.random.default_rng(3)
    counts = generator.integers(1, 9, 50)
    groups = np.repeat(np.arange(50), counts)
    values = generator.normal(25, 2, 50)[groups] + generator.normal(0, 1, len(groups))
    sums = np.bincount(groups, values)
    order = generator.permutation(len(groups))
    mean, low, high = mean_interval(values[order], groups[order])
    assert mean == pytest.approx(values.mean())

    def ratio(total: np.ndarray, number: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(total.sum(axis) / number.sum(axis))

    expected = bootstrap(
        (sums, counts), ratio, paired=True, n_resamples=9999, method="percentile", rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.05 * width)
    assert high == pytest.approx(expected.high, abs=0.05 * width)
    assert mean_interval(values)[2] - mean_interval(values)[1] < 0.8 * width


def test_values_that_are_not_finite_are_left_out() -> None:
    values = drawn(12)
    holes = np.insert(values, [0, 5, 12], [np.nan, np.inf, -np.inf])
    assert mean_interval(holes) == mean_interval(values)
    assert np.isnan(mean_interval([np.nan])).all()
    assert np.isnan(mean_interval([])).all()


@pytest.mark.parametrize("count", range(2, 12))
def test_a_few_runs_have_students_interval(count: int) -> None:
    values = drawn(count)
    expected = t.interval(0.95, count - 1, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(count))
    assert seed_interval(values) == pytest.approx(expected)


def test_one_run_has_no_interval() -> None:
    assert seed_interval([25.0]) is None
