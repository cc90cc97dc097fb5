"""Gains of guidance over the plain U-Net, in pairs: same image, same noise, same training seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.evaluation.guidance_results import GuidanceResults, GuidedRun, Variant
from denoise_cli.evaluation.intervals import mean_interval, seed_interval
from denoise_cli.evaluation.results import Interval
from denoise_cli.models.guidance import CHOICES

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference to the plain U-Net.

    Attributes:
        interval: 95 % over images, of the mean over seeds; bootstrap.
        count: Images.
    """

    mean: float
    interval: Interval
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


def build_rows(results: GuidanceResults, noise: str, batch_norm: bool) -> list[Row]:
    """One row per variant under a noise: the plain U-Net, then by model and injection."""
    runs = [r for r in results.runs if r.noise == noise and r.variant.batch_norm == batch_norm]
    plain = {run.seed: run for run in runs if run.variant.source == "none"}
    groups = np.array(results.groups or range(len(results.images)))
    variants = sorted({run.variant for run in runs}, key=_place)
    return [_row(variant, [r for r in runs if r.variant == variant], plain, groups) for variant in variants]


def _place(variant: Variant) -> tuple[bool, str, str, int]:
    source = CHOICES.index(variant.source)
    return variant.source != "none", variant.model, variant.injection or "", source


def _row(
    variant: Variant, runs: Sequence[GuidedRun], plain: dict[int | None, GuidedRun], groups: NDArray[Any]
) -> Row:
    # The plain U-Net has no gain over itself.
    pairs = [(run, plain[run.seed]) for run in runs if variant.source != "none" and run.seed in plain]
    psnr = _differences(pairs, "psnr")
    right = np.array([[digit == "1" for digit in run.right] for run, _ in pairs if run.right], bool)
    known = right.shape == psnr.shape
    seeds = tuple(float(difference.mean()) for difference in psnr)
    digits = "".join(run.right for run in runs)
    return Row(
        variant=variant,
        psnr=float(np.mean([run.psnr for run in runs])),
        ssim=float(np.mean([run.ssim for run in runs])),
        psnr_gain=_gain(psnr, np.ones(psnr.shape, bool), groups),
        ssim_gain=_gain(_differences(pairs, "ssim"), np.ones(psnr.shape, bool), groups),
        seeds=seeds,
        seeds_interval=seed_interval(seeds),
        accuracy=digits.count("1") / len(digits) if digits else None,
        where_right=_gain(psnr, right, groups) if known else None,
        where_wrong=_gain(psnr, ~right, groups) if known else None,
    )


def _differences(pairs: Sequence[tuple[GuidedRun, GuidedRun]], score: str) -> Values:
    """(seeds, images)."""
    return np.array([np.subtract(getattr(a, score), getattr(b, score)) for a, b in pairs], np.float64)


def _gain(differences: Values, chosen: NDArray[np.bool_], groups: NDArray[Any]) -> Gain | None:
    """The mean of the chosen differences (seeds, images); an image's seeds are drawn together."""
    if not differences.size or not chosen.any():
        return None
    labels = np.broadcast_to(groups, differences.shape)
    mean, low, high = mean_interval(differences[chosen], labels[chosen])
    return Gain(mean, (low, high), int(chosen.any(0).sum()))
