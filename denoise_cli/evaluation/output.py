"""A comparison as a file of one format, or as a folder of all; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from denoise_cli.evaluation.results import Results
from denoise_cli.evaluation.tables import Sheet, build_sheets, missing_notes
from denoise_cli.files import replacing, write_atomic

TextFormat = Literal["markdown", "json", "html"]
SUFFIXES: dict[str, TextFormat] = {".md": "markdown", ".json": "json", ".html": "html", ".htm": "html"}


def render(results: Results, kind: TextFormat) -> str:
    """The results as text of a format."""
    if kind == "json":
        return results.model_dump_json() + "\n"
    if kind == "markdown":
        return _markdown(results)
    from denoise_cli.evaluation.html_report import render_html

    return render_html(results)


def write_folder(results: Results, folder: Path) -> None:
    """Write `results.json`, `tables.md`, `report.html` and every chart and grid as a PNG."""
    from denoise_cli.evaluation.charts import draw_charts, draw_grid

    for name in ("results.json", "tables.md", "report.html"):
        write_atomic(folder / name, render(results, SUFFIXES[Path(name).suffix]).encode())
    figures = draw_charts(results)
    for noise in dict.fromkeys(example.noise for example in results.examples):
        examples = [example for example in results.examples if example.noise == noise]
        figures[f"grid-{noise.replace(':', '')}"] = draw_grid(examples)
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as path:
            figure.savefig(path, dpi=150)


def _markdown(results: Results) -> str:
    parts = [_markdown_table(sheet) for sheet in build_sheets(results)]
    parts += [f"- {line}" for line in [*missing_notes(results), *results.notes]]
    return "\n".join(parts) + "\n"


def _markdown_table(sheet: Sheet) -> str:
    columns = [(group, column) for group in sheet.groups for column in group.columns]
    heads = [": ".join(part for part in (group.title, column.title) if part) for group, column in columns]
    lines = [f"### {sheet.title}", "", f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(columns)}"]
    for place, row in enumerate(sheet.rows):
        values = [
            f"**{column.values[place]}**" if place in column.best else column.values[place]
            for _, column in columns
        ]
        lines.append(f"| {row} | {' | '.join(values)} |")
    return "\n".join([*lines, ""])
