"""Confidence intervals against scipy's own and against the truth that they must hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t

from denoise_cli.evaluation.scores.intervals import estimate_mean, share_interval

TRIALS = 1500
# With so many trials, what covers 95 % is seen between 93 and 97 %: 3.5 standard errors.
COVERED = pytest.approx(0.95, abs=0.02)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Skewed values, as scores are."""
    return 20 + 3 * np.random.default_rng(seed).gamma(2, size=count)


@pytest.mark.parametrize("count", [*range(2, 12), 60])
def test_single_values_have_students_interval(count: int) -> None:
    values = drawn(count)
    found = estimate_mean(values)
    expected = t.interval(0.95, count - 1, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(count))
    assert found.mean == pytest.approx(values.mean())
    assert found.interval == pytest.approx(expected)


def test_many_values_agree_with_the_normal_interval() -> None:
    values = drawn(5000)
    found = estimate_mean(values)
    half = norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-4)


def test_copies_of_a_photo_are_no_new_evidence() -> None:
    values = drawn(40)
    copies, groups = np.repeat(values, 25), np.repeat(np.arange(40), 25)
    alone, grouped, ungrouped = estimate_mean(values), estimate_mean(copies, groups), estimate_mean(copies)
    assert grouped.interval == pytest.approx(alone.interval)
    assert (grouped.units, ungrouped.units) == (40, 1000)
    assert alone.interval is not None
    assert ungrouped.interval is not None
    # The standard error falls with the root of the number of values.
    shrunk = np.ptp(alone.interval) / np.ptp(ungrouped.interval)
    assert shrunk == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("values", [[25.0], [25.0, np.nan], [np.nan], []])
def test_one_value_has_no_interval(values: list[float]) -> None:
    found = estimate_mean(values)
    assert found.interval is None
    assert found.units == np.isfinite(values).sum()
    assert estimate_mean([20.0, 30.0, 25.0], [7, 7, 7]).interval is None


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    values = drawn(12)
    holes = np.insert(values, [0, 5, 12], [np.nan, np.inf, -np.inf])
    found, clean = estimate_mean(holes), estimate_mean(values)
    assert (found.mean, found.interval) == (clean.mean, clean.interval)
    assert (found.left_out, clean.left_out) == (3, 0)


@pytest.mark.parametrize("count", [3, 5, 8, 20, 100])
def test_means_are_covered(count: int) -> None:
    rng = np.random.default_rng(count)
    rows = rng.normal(25, 3, (TRIALS, count))
    intervals = np.array([estimate_mean(row).interval for row in rows])
    assert np.mean((intervals[:, 0] <= 25) & (intervals[:, 1] >= 25)) == COVERED


@pytest.mark.parametrize("count", [3, 8, 40])
@pytest.mark.parametrize("uneven", [False, True])
def test_means_of_crops_of_a_few_photos_are_covered(count: int, uneven: bool) -> None:
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(TRIALS):
        sizes = rng.integers(4, 9, count) if uneven else np.full(count, 6)
        groups = np.repeat(np.arange(count), sizes)
        values = rng.normal(25, 2, count)[groups] + rng.normal(0, 1, len(groups))
        order = rng.permutation(len(groups))
        interval = estimate_mean(values[order], groups[order]).interval
        assert interval is not None
        hits += interval[0] <= 25 <= interval[1]
    assert hits / TRIALS == COVERED


@pytest.mark.parametrize(("right", "count"), [(0, 20), (20, 20), (1, 1), (7, 9), (450, 1000)])
def test_shares_have_wilsons_interval(right: int, count: int) -> None:
    answers = np.arange(count) < right
    expected = binomtest(right, count).proportion_ci(0.95, "wilson")
    assert share_interval(answers) == pytest.approx((expected.low, expected.high), abs=1e-9)
    alone = share_interval(answers, np.arange(count))
    assert alone == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("count", [10, 20, 100])
@pytest.mark.parametrize("low", [0.0, 0.45, 0.9])
def test_shares_are_covered(count: int, low: float) -> None:
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(TRIALS):
        share = rng.uniform(low, low + 0.1)
        interval = share_interval(rng.random(count) < share)
        hits += interval[0] <= share <= interval[1]
    assert hits / TRIALS == COVERED


def test_shares_over_copies_of_photos_are_no_surer() -> None:
    answers = np.arange(30) < 24
    copies, groups = np.repeat(answers, 10), np.repeat(np.arange(30), 10)
    alone, grouped = share_interval(answers), share_interval(copies, groups)
    # Wider by Student's t with 29 degrees of freedom in place of the normal.
    assert np.ptp(grouped) == pytest.approx(np.ptp(alone), rel=0.06)
    assert np.ptp(grouped) > 2 * np.ptp(share_interval(copies))
    everywhere_right = share_interval(np.ones(300), groups)
    assert everywhere_right[0] < 0.9
