"""The figures of docs/study.md: bars from stored scores, and pictures that trained networks clean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from denoise_cli.data.sample import load_sample
from denoise_cli.errors import WeightsError
from denoise_cli.evaluation.comparison.cells import CellName, find_candidates, read_runs
from denoise_cli.evaluation.comparison.charts import COLOURS
from denoise_cli.evaluation.comparison.published import STUDY_SCORES
from denoise_cli.evaluation.report.sheet import column_title
from denoise_cli.metrics import psnr, ssim
from denoise_cli.noise.apply import add_noise
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.files import load_weights

Setting = tuple[bool, str]
# The study's three, then the one that it left out.
SETTINGS: tuple[Setting, ...] = ((False, "basic"), (True, "basic"), (True, "intense"), (False, "intense"))
BARS = {"figure-1": ("cnn", "cae", "unet"), "figure-5": ("unet", "cnn_unet", "resnet_unet")}
PICTURES = {
    "figure-2-cnn": "cnn",
    "figure-3-cae": "cae",
    "figure-4-unet": "unet",
    "figure-6-cnn_unet": "cnn_unet",
    "figure-6-resnet_unet": "resnet_unet",
}
# Two crops of public-domain and CC0 photographs inside scikit-image, which no training here has seen.
SHOWN = ("astronaut.png/0104-0208", "coffee.png/0202-0201")
_SEED = 7


def draw_bars(cells: Sequence[Mapping[str, Any]], models: Sequence[str]) -> Figure:
    """PSNR and SSIM of some models, a bar for each setting with its value, the published one as a mark.

    The axes begin just below the lowest value, so that differences show.
    """
    figure = Figure(figsize=(9, 7), layout="constrained")
    for axes, score in zip(figure.subplots(2, 1), ("psnr", "ssim"), strict=True):
        _draw_panel(axes, cells, models, score)
    return figure


def _draw_panel(axes: Axes, cells: Sequence[Mapping[str, Any]], models: Sequence[str], score: str) -> None:
    found = {(cell["method"], cell["batch_norm"], cell["noise"]): cell[score] for cell in cells}
    published = {key: value[0 if score == "psnr" else 1] for key, value in STUDY_SCORES.items()}
    keys = [(model, *setting) for model in models for setting in SETTINGS]
    values = [table[key] for table in (found, published) for key in keys if table.get(key) is not None]
    step, digits, unit = (1.0, 2, "PSNR (dB)") if score == "psnr" else (0.05, 3, "SSIM")
    low = step * math.floor(min(values, default=1.0) / step - 0.5)
    high = max(values, default=1.0)
    width = 0.8 / len(SETTINGS)
    for number, (batch_norm, noise) in enumerate(SETTINGS):
        places = [place + (number - (len(SETTINGS) - 1) / 2) * width for place in range(len(models))]
        heights = [found.get((model, batch_norm, noise)) for model in models]
        bars = [(x, y) for x, y in zip(places, heights, strict=True) if y is not None]
        axes.bar(
            [x for x, _ in bars],
            [y - low for _, y in bars],
            width,
            bottom=low,
            color=COLOURS[number],
            label=column_title(batch_norm, noise),
        )
        marks = {x: published.get((m, batch_norm, noise)) for x, m in zip(places, models, strict=True)}
        for x, y in bars:
            top = max(y, marks[x] or y)
            gap = 2 if top == y else 6
            axes.annotate(
                f"{y:.{digits}f}", (x, top), (0, gap), textcoords="offset points", ha="center", fontsize=8
            )
        known = [(x, y) for x, y in marks.items() if y is not None]
        if known:
            label = "published" if number == 0 else None
            axes.plot(*zip(*known, strict=True), "D", color="black", fillstyle="none", label=label)
    axes.set_xticks(range(len(models)), models)
    axes.set_ylim(low, high + 0.12 * (high - low))
    axes.set_ylabel(f"{unit}, from {low:g} up")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def draw_pictures(runs: Path) -> Iterator[tuple[str, Figure]]:
    """For each model that has a run: its settings as rows, two photographs before and after.

    Args:
        runs: A folder of finished runs, trained on the noises of `SETTINGS`.
    """
    candidates = read_runs(runs)
    source = load_sample("test")
    chosen = [source.names.index(name) for name in SHOWN]
    clean = torch.stack([source.image(index) for index in chosen]).float() / 255
    for name, model in PICTURES.items():
        networks = {}
        for batch_norm, noise in SETTINGS:
            try:
                found = find_candidates(CellName(model, batch_norm, noise), candidates)
            except WeightsError:
                continue
            networks[batch_norm, noise] = load_weights(found[0].path)[1].eval()
        if networks:
            yield name, _picture_rows(networks, clean)


@torch.inference_mode()
def _picture_rows(networks: Mapping[Setting, torch.nn.Module], clean: torch.Tensor) -> Figure:
    figure = Figure(figsize=(9.6, 1.95 * len(SETTINGS)), layout="constrained")
    grid = figure.subplots(len(SETTINGS), 3 * len(clean), squeeze=False)
    for row, setting in zip(grid, SETTINGS, strict=True):
        row[0].set_ylabel(column_title(*setting), fontsize=9)
        noisy = add_noise(clean, parse_noise(setting[1]), torch.Generator().manual_seed(_SEED))
        cleaned = networks[setting](noisy).clamp(0, 1) if setting in networks else None
        for place, original in enumerate(clean):
            shown = (
                ("original", original),
                ("noisy", noisy[place].clamp(0, 1)),
                ("denoised", None if cleaned is None else cleaned[place]),
            )
            for axes, (title, picture) in zip(row[3 * place : 3 * place + 3], shown, strict=True):
                _draw_picture(axes, title, picture, original)
    return figure


def _draw_picture(axes: Axes, title: str, picture: torch.Tensor | None, original: torch.Tensor) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if picture is None:
        axes.text(0.5, 0.5, "not run yet", ha="center", va="center", fontsize=8, transform=axes.transAxes)
        return
    axes.imshow(picture.permute(1, 2, 0).numpy(), interpolation="nearest")
    if title == "original":
        axes.set_xlabel(title, fontsize=8)
        return
    pair = picture[None], original[None]
    axes.set_xlabel(f"{title}\n{float(psnr(*pair)):.2f} dB / {float(ssim(*pair)):.3f}", fontsize=8)
