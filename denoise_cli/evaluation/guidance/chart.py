"""Figure of a comparison of guidance; imports no torch."""

from __future__ import annotations

from math import nan

import numpy as np
from matplotlib.figure import Figure

from denoise_cli.errors import counted
from denoise_cli.evaluation.comparison.charts import look
from denoise_cli.evaluation.guidance.gains import Gain, build_rows
from denoise_cli.evaluation.guidance.results import GuidanceResults
from denoise_cli.evaluation.guidance.tables import norm_settings, variant_name
from denoise_cli.noise.spec import gaussian_level
from denoise_cli.text import in_chart, in_file_name

_Line = list[tuple[float, Gain]]


def draw_gains(results: GuidanceResults) -> dict[str, Figure]:
    """PSNR gain against the noise level, a chart per training noise and batch-norm setting.

    Each variant has a line with 95 % intervals over images. Noises without a level are left out.
    """
    trained = dict.fromkeys(run.trained_on for run in results.runs)
    figures = {}
    for noise in trained:
        for batch_norm in norm_settings(results):
            lines = _lines(results, noise, batch_norm)
            if lines:
                setting = "bn" if batch_norm else "nobn"
                images = counted(len(results.images), "image")
                title = f"{in_chart(results.dataset_name)}, {images}, trained on {in_chart(noise)}"
                figures[f"gain-{in_file_name(noise)}-{setting}"] = _draw(lines, title)
    return figures


def _lines(results: GuidanceResults, trained_on: str, batch_norm: bool) -> dict[str, _Line]:
    lines: dict[str, _Line] = {}
    for noise in results.noises:
        level = gaussian_level(noise)
        if level is None or not any(
            run.noise == noise and run.trained_on == trained_on for run in results.runs
        ):
            continue
        for row in build_rows(results, noise, batch_norm):
            if row.psnr_gain is not None:
                lines.setdefault(variant_name(row.variant, results), []).append((level, row.psnr_gain))
    return {name: sorted(line, key=lambda point: point[0]) for name, line in lines.items()}


def _draw(lines: dict[str, _Line], title: str) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, (name, line) in enumerate(lines.items()):
        ends = [gain.interval or (nan, nan) for _, gain in line]
        means = np.array([gain.mean for _, gain in line])
        errors = np.abs(np.array(ends).T - means)
        axes.errorbar(
            [level for level, _ in line],
            means,
            errors,
            linestyle="-",
            capsize=2,
            label=in_chart(name),
            **look(number),
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="sigma of the noise, on [0, 1]", ylabel="PSNR gain over the plain U-Net (dB)")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure
