"""A comparison as a file of one format, or as a folder of all; imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from denoise_cli.errors import UsageError
from denoise_cli.evaluation.comparison.results import Results
from denoise_cli.evaluation.comparison.tables import build_sheets, missing_notes
from denoise_cli.evaluation.guidance.results import GuidanceResults
from denoise_cli.evaluation.report.figure import save_figure
from denoise_cli.evaluation.report.sheet import Sheet
from denoise_cli.evaluation.report.stored import RESULTS_FILE
from denoise_cli.files import atomic_write_path, write_atomic
from denoise_cli.text import in_file_name, in_markdown

TextFormat = Literal["markdown", "json", "csv", "html"]
SUFFIXES: dict[str, TextFormat] = {
    ".md": "markdown",
    ".json": "json",
    ".csv": "csv",
    ".html": "html",
    ".htm": "html",
}


def render(results: Results | GuidanceResults, kind: TextFormat) -> str:
    """The results as text of a format; raises `UsageError` where there is no such report."""
    if kind == "json":
        return results.model_dump_json() + "\n"
    if kind == "markdown":
        return markdown(*tables_of(results))
    if kind == "csv":
        return to_csv(results)
    if isinstance(results, GuidanceResults):
        raise UsageError("A comparison of guidance has no HTML report.", "Use --format markdown.")
    from denoise_cli.evaluation.comparison.html import render_html

    return render_html(results)


def to_csv(results: Results | GuidanceResults) -> str:
    """Per-image scores, one row per method, noise and image, as pandas and spreadsheets read them."""
    rows: list[list[object]] = []
    if isinstance(results, GuidanceResults):
        head = ["model", "guidance", "injection", "batch_norm", "seed", "noise", "image", "psnr", "ssim"]
        for run in results.runs:
            v = run.variant
            who = [v.model, v.source, v.injection, v.batch_norm, run.seed, run.noise]
            rows += [[*who, *row] for row in zip(results.images, run.psnr, run.ssim, strict=True)]
    else:
        head = ["method", "kind", "batch_norm", "noise", "image", "psnr", "ssim"]
        for cell in results.cells:
            # Cells without weights have no scores.
            scores = zip(results.images, cell.image_psnr, cell.image_ssim, strict=False)
            rows += [[cell.method, cell.kind, cell.batch_norm, cell.noise, *row] for row in scores]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    return text.getvalue()


def tables_of(results: Results | GuidanceResults) -> tuple[list[Sheet], list[str]]:
    """The tables of the results and the lines below them."""
    if isinstance(results, Results):
        return build_sheets(results), [*missing_notes(results), *results.notes]
    from denoise_cli.evaluation.guidance.tables import build_guidance_sheets, guidance_notes

    return build_guidance_sheets(results), guidance_notes(results)


def write_folder(results: Results | GuidanceResults, folder: Path) -> None:
    """Write `results.json`, `tables.md`, `images.csv`, `report.html` and every chart and grid as a PNG."""
    names = [RESULTS_FILE, "tables.md", "images.csv"]
    if isinstance(results, Results):
        names.append("report.html")
    for name in names:
        write_atomic(folder / name, render(results, SUFFIXES[Path(name).suffix]).encode())
    from denoise_cli.evaluation.comparison.charts import draw_charts
    from denoise_cli.evaluation.comparison.example_grid import draw_examples
    from denoise_cli.evaluation.guidance.chart import draw_gains

    charts = draw_charts(results) if isinstance(results, Results) else draw_gains(results)
    for name, figure in charts.items():
        with atomic_write_path(folder / f"{name}.png") as path:
            save_figure(figure, path, dpi=150)
    grids = draw_examples(results) if isinstance(results, Results) else {}
    for noise, grid in grids.items():
        with atomic_write_path(folder / f"grid-{in_file_name(noise)}.png") as path:
            grid.save(path)


def markdown(sheets: Sequence[Sheet], lines: Sequence[str]) -> str:
    """Tables, then a list of lines."""
    return "\n".join([*map(_markdown_table, sheets), *(f"- {in_markdown(line)}" for line in lines)]) + "\n"


def _markdown_table(sheet: Sheet) -> str:
    columns = [(group, column) for group in sheet.groups for column in group.columns]
    heads = [
        ": ".join(in_markdown(part) for part in (group.title, column.title) if part)
        for group, column in columns
    ]
    title = in_markdown(sheet.title)
    lines = [f"### {title}", "", f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(columns)}"]
    for place, row in enumerate(sheet.rows):
        values = [
            f"**{in_markdown(column.values[place])}**"
            if place in column.best
            else in_markdown(column.values[place])
            for _, column in columns
        ]
        lines.append(f"| {in_markdown(row)} | {' | '.join(values)} |")
    return "\n".join([*lines, ""])
