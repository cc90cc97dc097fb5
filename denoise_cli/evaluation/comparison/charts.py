"""Charts of a comparison, drawn from its results alone; imports no torch."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from denoise_cli.errors import counted
from denoise_cli.evaluation.comparison.results import Results
from denoise_cli.evaluation.report.sheet import column_title
from denoise_cli.noise.spec import gaussian_level
from denoise_cli.text import in_chart

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#882255")
_MARKERS = "osD^vPX*"
_HATCHES = ("", "//", "..", "xx", "--", "++", "oo", "\\\\")


def look(number: int) -> dict[str, Any]:
    """Colour and marker of line `number` (from 0) of a chart: 64 lines differ."""
    colour, marker = number % len(COLOURS), number // len(COLOURS) % len(_MARKERS)
    return {"color": COLOURS[colour], "marker": _MARKERS[marker]}


def draw_charts(results: Results) -> dict[str, Figure]:
    """All charts that the results have enough for, by name."""
    charts = {}
    if any(cell.psnr is not None for cell in results.cells):
        charts["psnr"] = draw_bars(results, "psnr")
        charts["ssim"] = draw_bars(results, "ssim")
    if len(_levels(results)) > 1:
        charts["psnr-by-sigma"] = draw_sigma_curves(results)
    if any(cell.seconds_per_megapixel and cell.kind != "input" for cell in results.cells):
        charts["speed"] = draw_speed(results)
    return charts


def draw_bars(results: Results, score: str) -> Figure:
    """Bars per method and column with 95 % intervals; `score` is `psnr` or `ssim`."""
    scored = [m for m in results.methods if any(c.psnr is not None for c in results.cells if c.method == m)]
    columns = results.columns
    figure = Figure(figsize=(max(6.0, 1.1 * len(scored) + 2), 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(columns)
    for number, (batch_norm, noise) in enumerate(columns):
        places, heights, errors = [], [], []
        for place, method in enumerate(scored):
            cell = results.cell(method, batch_norm, noise)
            value = getattr(cell, score) if cell else None
            if cell is not None and value is not None:
                interval = getattr(cell, f"{score}_interval") or (nan, nan)
                places.append(place + (number - (len(columns) - 1) / 2) * width)
                heights.append(value)
                errors.append((value - interval[0], interval[1] - value))
        axes.bar(
            places,
            heights,
            width,
            yerr=np.array(errors).T if errors else None,
            capsize=2,
            color=COLOURS[number % len(COLOURS)],
            label=in_chart(column_title(batch_norm, noise)),
            hatch=_HATCHES[number // len(COLOURS) % len(_HATCHES)],
        )
    axes.set_xticks(range(len(scored)), [in_chart(name) for name in scored], rotation=20, ha="right")
    axes.set_ylabel("PSNR (dB)" if score == "psnr" else "SSIM")
    title = f"{in_chart(results.dataset_name)}, {counted(len(results.images), 'image')}"
    axes.set_title(title, fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_sigma_curves(results: Results) -> Figure:
    """PSNR against the noise level, a curve per method and batch-norm setting."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    levels = _levels(results)
    keys = dict.fromkeys((cell.method, cell.batch_norm) for cell in results.cells)
    for number, (method, batch_norm) in enumerate(keys):
        points = sorted(
            (levels[cell.noise], cell.psnr)
            for cell in results.cells
            if (cell.method, cell.batch_norm) == (method, batch_norm)
            and cell.noise in levels
            and cell.psnr is not None
        )
        if points:
            label = f"{method}, BN off" if batch_norm is False else method
            style = "--" if batch_norm is False else "-"
            axes.plot(*zip(*points, strict=True), linestyle=style, label=in_chart(label), **look(number))
    axes.set(xlabel="sigma of the noise, on [0, 1]", ylabel="PSNR (dB)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def draw_speed(results: Results) -> Figure:
    """PSNR under the first noise against seconds per megapixel."""
    noise = results.cells[0].noise
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for cell in results.cells:
        if (
            cell.noise == noise
            and cell.kind != "input"
            and cell.psnr is not None
            and cell.seconds_per_megapixel
        ):
            colour = COLOURS[0] if cell.kind == "model" else COLOURS[1]
            axes.plot(cell.seconds_per_megapixel, cell.psnr, "o", color=colour)
            label = f"{cell.method}, BN off" if cell.batch_norm is False else cell.method
            axes.annotate(
                in_chart(label),
                (cell.seconds_per_megapixel, cell.psnr),
                (5, 4),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set(xscale="log", xlabel=f"seconds per megapixel, {in_chart(results.device)}")
    axes.set_ylabel(f"PSNR (dB), {in_chart(noise)} noise")
    axes.margins(x=0.15, y=0.12)
    axes.grid(alpha=0.3, which="both")
    return figure


def _levels(results: Results) -> dict[str, float]:
    """Sigma of each noise that has one and was scored."""
    noises = dict.fromkeys(cell.noise for cell in results.cells if cell.psnr is not None)
    return {noise: level for noise in noises if (level := gaussian_level(noise)) is not None}
