"""A comparison as one self-contained HTML file with a before/after slider; imports no torch."""

from __future__ import annotations

import base64
import json
from html import escape
from importlib.resources import files
from io import BytesIO
from string import Template

from matplotlib.figure import Figure

from denoise_cli.errors import counted
from denoise_cli.evaluation.comparison.charts import draw_charts
from denoise_cli.evaluation.comparison.example_grid import draw_examples
from denoise_cli.evaluation.comparison.results import Results
from denoise_cli.evaluation.comparison.tables import build_sheets, missing_notes
from denoise_cli.evaluation.report.figure import save_figure
from denoise_cli.evaluation.report.sheet import Sheet

_SLIDER = """<h2>Before and after</h2>
<div class="pick">
<label>Picture <select id="which"></select></label>
<label>Left <select id="before"></select></label>
<label>Right <select id="after"></select></label>
</div>
<div class="slider" id="slider">
<img id="right" alt=""><img id="left" alt="">
<div class="line"></div>
<input type="range" id="range" min="0" max="100" step="1" value="50" aria-label="Percent of the left picture">
</div>
<div class="sides"><span id="left-name"></span><span id="right-name"></span></div>"""


def render_html(results: Results) -> str:
    """The whole report; it loads nothing from anywhere."""
    template = Template(
        files("denoise_cli.evaluation.comparison").joinpath("report.html").read_text(encoding="utf-8")
    )
    versions = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    return template.substitute(
        title=escape(f"Denoisers on {results.dataset_name}"),
        facts=escape(
            f"{counted(len(results.images), 'image')}, test noise of seed {results.seed}, {results.device}; "
            f"{versions}."
        ),
        tables="\n".join(map(_table, build_sheets(results))),
        missing=_list("Not scored", missing_notes(results)),
        slider=_SLIDER if results.examples else "",
        charts=_charts(results),
        grids=_grids(results),
        notes=_list("Notes", list(results.notes)),
        # A closing tag inside a name would end the script element.
        examples=json.dumps([example.model_dump() for example in results.examples]).replace("<", "\\u003c"),
    )


def _table(sheet: Sheet) -> str:
    heads = [
        "".join(f'<th colspan="{len(group.columns)}">{escape(group.title)}</th>' for group in sheet.groups),
        "".join(f"<th>{escape(column.title)}</th>" for group in sheet.groups for column in group.columns),
    ]
    lines = [f"<tr><th></th>{head}</tr>" for head in heads]
    for place, row in enumerate(sheet.rows):
        cells = [
            f"<td{' class=best' if place in column.best else ''}>{escape(column.values[place])}</td>"
            for group in sheet.groups
            for column in group.columns
        ]
        lines.append(f"<tr><th>{escape(row)}</th>{''.join(cells)}</tr>")
    return f'<h2>{escape(sheet.title)}</h2><div class="scroll"><table>{"".join(lines)}</table></div>'


def _charts(results: Results) -> str:
    charts = draw_charts(results)
    if not charts:
        return ""
    images = [
        f'<p class="scroll"><img class="chart" alt="{name} chart" src="{_as_svg(figure)}"></p>'
        for name, figure in charts.items()
    ]
    return "<h2>Charts</h2>" + "\n".join(images)


def _grids(results: Results) -> str:
    parts = []
    for noise, grid in draw_examples(results).items():
        buffer = BytesIO()
        grid.save(buffer, "PNG")
        source = _data_url("image/png", buffer)
        parts.append(
            f"<h2>Pictures, {escape(noise)} noise</h2>"
            f'<div class="scroll"><img class="chart wide" alt="Grid of pictures" src="{source}"></div>'
        )
    return "\n".join(parts)


def _as_svg(figure: Figure) -> str:
    buffer = BytesIO()
    save_figure(figure, buffer, format="svg")
    return _data_url("image/svg+xml", buffer)


def _data_url(kind: str, buffer: BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _list(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
