"""Gains of guidance, in pairs: same image, same noise, same training seed.

The gain over the plain U-Net is the effect of guidance. The gain over the network conditioned on
another picture (`shuffled`), which has the same parameters, is the effect of *this* picture's
guidance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.evaluation.guidance.results import GuidanceResults, GuidedRun, Variant
from denoise_cli.evaluation.report.record import Interval
from denoise_cli.evaluation.scores.intervals import estimate_mean
from denoise_cli.models.guidance import GUIDANCE_CHOICES

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference of a variant to another.

    Attributes:
        interval: 95 % over images, of the mean over seeds, by Student's t; None for a single one.
        count: Images.
    """

    mean: float
    interval: Interval | None
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """A variant under one noise, averaged over its seeds.

    Attributes:
        psnr, ssim: Means over images and seeds.
        psnr_gain, ssim_gain: To the plain U-Net; None for that itself or without a pair.
        seeds: The mean PSNR gain of each training seed.
        seeds_interval: 95 % over seeds, by Student's t; None for a single seed.
        accuracy: Of the classifier on the noisy images; None without one.
        where_right, where_wrong: PSNR gain on the images whose class the classifier names, and
            on the others.
        over_shuffled: PSNR gain over `shuffled` of the same model and injection; None for that
            itself, the plain U-Net, or without a pair.
        seeds_over_shuffled, seeds_interval_over_shuffled: As `seeds` and `seeds_interval`.
    """

    variant: Variant
    psnr: float
    ssim: float
    psnr_gain: Gain | None
    ssim_gain: Gain | None
    seeds: tuple[float, ...]
    seeds_interval: Interval | None
    accuracy: float | None
    where_right: Gain | None
    where_wrong: Gain | None
    over_shuffled: Gain | None
    seeds_over_shuffled: tuple[float, ...]
    seeds_interval_over_shuffled: Interval | None


def build_rows(results: GuidanceResults, noise: str, batch_norm: bool) -> list[Row]:
    """One row per variant under a noise: the plain U-Net, then by model and injection."""
    runs = [r for r in results.runs if r.noise == noise and r.variant.batch_norm == batch_norm]
    groups = np.array(results.groups or range(len(results.images)))
    variants = sorted({run.variant for run in runs}, key=_place)
    return [_row(variant, runs, groups) for variant in variants]


def _place(variant: Variant) -> tuple[bool, str, str, int]:
    source = GUIDANCE_CHOICES.index(variant.source)
    return variant.source != "none", variant.model, variant.injection or "", source


def _row(variant: Variant, all_runs: Sequence[GuidedRun], groups: NDArray[Any]) -> Row:
    runs = [run for run in all_runs if run.variant == variant]
    plain = {run.seed: run for run in all_runs if run.variant.source == "none"}
    control = {run.seed: run for run in all_runs if run.variant == _shuffled_control(variant)}
    pairs = _pairs(runs, plain)
    psnr, over_shuffled = _differences(pairs, "psnr"), _differences(_pairs(runs, control), "psnr")
    right = np.array([[digit == "1" for digit in run.right] for run, _ in pairs if run.right], bool)
    known = right.shape == psnr.shape
    seeds, seeds_over_shuffled = _seed_means(psnr), _seed_means(over_shuffled)
    digits = "".join(run.right for run in runs)
    return Row(
        variant=variant,
        psnr=float(np.mean([run.psnr for run in runs])),
        ssim=float(np.mean([run.ssim for run in runs])),
        psnr_gain=_gain(psnr, groups),
        ssim_gain=_gain(_differences(pairs, "ssim"), groups),
        seeds=seeds,
        seeds_interval=estimate_mean(seeds).interval,
        accuracy=digits.count("1") / len(digits) if digits else None,
        where_right=_gain(psnr, groups, right) if known else None,
        where_wrong=_gain(psnr, groups, ~right) if known else None,
        over_shuffled=_gain(over_shuffled, groups),
        seeds_over_shuffled=seeds_over_shuffled,
        seeds_interval_over_shuffled=estimate_mean(seeds_over_shuffled).interval,
    )


def _shuffled_control(variant: Variant) -> Variant | None:
    """The control with the parameters of a variant; none for the plain U-Net, which has others."""
    return None if variant.source == "none" else variant.model_copy(update={"source": "shuffled"})


def _pairs(
    runs: Sequence[GuidedRun], others: Mapping[int | None, GuidedRun]
) -> list[tuple[GuidedRun, GuidedRun]]:
    """Each run with the other run of its seed; a variant is not paired with itself."""
    found = [(run, others[run.seed]) for run in runs if run.seed in others]
    return [(run, other) for run, other in found if run.variant != other.variant]


def _differences(pairs: Sequence[tuple[GuidedRun, GuidedRun]], score: str) -> Values:
    """(seeds, images)."""
    return np.array([np.subtract(getattr(a, score), getattr(b, score)) for a, b in pairs], np.float64)


def _seed_means(differences: Values) -> tuple[float, ...]:
    return tuple(float(difference.mean()) for difference in differences)


def _gain(differences: Values, groups: NDArray[Any], chosen: NDArray[np.bool_] | None = None) -> Gain | None:
    """The mean of the chosen differences (seeds, images), or of all; an image's seeds are drawn together."""
    chosen = np.ones(differences.shape, bool) if chosen is None else chosen
    if not differences.size or not chosen.any():
        return None
    labels = np.broadcast_to(groups, differences.shape)
    found = estimate_mean(differences[chosen], labels[chosen])
    return Gain(found.mean, found.interval, int(chosen.any(0).sum()))
