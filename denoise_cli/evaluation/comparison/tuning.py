"""Tune the settings of classical methods on pairs of noisy and clean pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli.config import TestDataConfig
from denoise_cli.data.load import load_dataset
from denoise_cli.data.pairs import has_part
from denoise_cli.data.source import Images
from denoise_cli.errors import DataError, ImageError, counted
from denoise_cli.evaluation.comparison import classical
from denoise_cli.evaluation.comparison.classical import CLEANERS, Classical, Settings
from denoise_cli.metrics import psnr

Pair = tuple[Tensor, Tensor]
"""A noisy and a clean batch (B, 3, H, W)."""
Axes = Mapping[str, Sequence[float]]
"""Values to try, by the name of the setting."""

# Crops of all train pairs together, and their side: the grid below takes about a minute with them.
CROPS = 32
SIDE = 128
_GOLDEN = (5**0.5 - 1) / 2
# For the noise of cameras: a few thousandths to some hundredths, spread over several pixels.
REAL_AXES: dict[str, Axes] = {
    "gaussian": {"sigma": [0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5]},
    "median": {"side": [3, 5]},
    "bilateral": {"sigma_color": [0.02, 0.03, 0.045, 0.07, 0.1], "sigma_spatial": [1, 1.5, 2, 3]},
    "tv": {"weight": [0.005, 0.01, 0.015, 0.02, 0.03, 0.045]},
    "wavelet": {"sigma": [0.01, 0.015, 0.02, 0.03, 0.045, 0.065]},
    "nlm": {"h": [0.01, 0.015, 0.02, 0.03, 0.045], "sigma": [0, 0.01, 0.02]},
    "opencv nlm": {"h": [2, 3, 4, 5, 6, 7, 8, 10]},
    "bm3d": {"sigma": [0.01, 0.02, 0.03, 0.045]},
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """Settings by method; empty without pairs to tune on, as `note` then says."""

    settings: Mapping[str, Settings]
    note: str


def tune(
    method: str, axes: Axes, pairs: Sequence[Pair], on_settings: Callable[[int], None] = lambda count: None
) -> tuple[Settings, float]:
    """The settings of `axes` with the highest mean PSNR over all pictures, and this PSNR in dB.

    Args:
        on_settings: Called with the number of settings tried since the last call.
    """
    best: tuple[Settings, float] = {}, float("-inf")
    for values in product(*axes.values()):
        settings = dict(zip(axes, values, strict=True))
        clean_up = Classical(CLEANERS[method], settings)
        scores = torch.cat([psnr(clean_up(noisy).clamp(0, 1), clean) for noisy, clean in pairs])
        best = max(best, (settings, float(scores.mean())), key=lambda found: found[1])
        on_settings(1)
    return best


def count_settings() -> int:
    """Number of settings that `tune_on_pairs` tries on this machine."""
    return sum(prod(map(len, REAL_AXES[method].values())) for method in classical.methods())


def tune_on_pairs(data: TestDataConfig, on_settings: Callable[[int], None]) -> Tuned:
    """Tune every method that can run here on the train pairs of a paired data set, if it has any.

    Raises:
        DataError: None of the train pairs can be read.
    """
    if not has_part(Path(data.dataset), "train"):
        return Tuned({}, f"{data.dataset} has no train pairs to tune classical methods on.")
    source = load_dataset(data.dataset, "train", limit=CROPS, max_bytes=0)
    pairs = list(training_crops(source))
    settings = {
        method: tune(method, REAL_AXES[method], pairs, on_settings)[0] for method in classical.methods()
    }
    return Tuned(
        settings,
        f"Classical settings for real noise were tuned on {counted(len(pairs), 'crop')}, of at most "
        f"{SIDE}x{SIDE} pixels, of {counted(len(source), 'train pair')}.",
    )


def training_crops(source: Images) -> list[Pair]:
    """About `CROPS` crops, equally many of every pair that can be read and evenly spread over it."""
    assert source.noisy is not None
    each = max(1, CROPS // len(source))
    crops = []
    for index in range(len(source)):
        try:
            halves = [half.image(index)[None].float() / 255 for half in (source.noisy, source)]
        except ImageError:
            continue
        for rows, columns in _spread(halves[0].shape[-2], halves[0].shape[-1], each):
            noisy, clean = (half[..., rows, columns].clone() for half in halves)
            crops.append((noisy, clean))
    if not crops:
        raise DataError(f"{source.name} has no readable train pairs.", "; ".join(source.skipped[:3]))
    return crops


def _spread(height: int, width: int, count: int) -> list[tuple[slice, slice]]:
    """Positions of at most `count` crops, evenly in height and width: a golden-ratio lattice."""
    corners = []
    for number in range(count):
        down, right = (number + 0.5) / count, (0.5 + number * _GOLDEN) % 1
        top, left = round(max(0, height - SIDE) * down), round(max(0, width - SIDE) * right)
        corners.append((top, left))
    # In a picture that is no larger than a crop they are all the same.
    return [(slice(top, top + SIDE), slice(left, left + SIDE)) for top, left in dict.fromkeys(corners)]
