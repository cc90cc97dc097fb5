"""Lay the tables of a comparison out on a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from denoise_cli.cli.console import console
from denoise_cli.evaluation.comparison.results import Results
from denoise_cli.evaluation.guidance.results import GuidanceResults
from denoise_cli.evaluation.render import tables_of
from denoise_cli.evaluation.report.sheet import Group, Sheet
from denoise_cli.text import printable

_PADDING = 3


def show_results(results: Results | GuidanceResults) -> None:
    """Print all tables, then the missing cells and the notes."""
    sheets, lines = tables_of(results)
    for sheet in sheets:
        for number, groups in enumerate(_packed(sheet, console.out.width)):
            console.show(_table(sheet, groups, sheet.title if number == 0 else ""))
    for line in lines:
        console.show(line)


def _packed(sheet: Sheet, width: int) -> list[list[Group]]:
    """Split the groups over as many tables as the width requires, at least one group in each."""
    first = _width(["", *sheet.rows])
    tables: list[list[Group]] = []
    room = 0
    for group in sheet.groups:
        needed = sum(_width([*_head(group, column.title), *column.values]) for column in group.columns)
        if not tables or needed > room:
            tables.append([])
            room = width - first - 1
        tables[-1].append(group)
        room -= needed
    return tables


def _table(sheet: Sheet, groups: Sequence[Group], title: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    columns = [(group, column) for group in groups for column in group.columns]
    for group, column in columns:
        table.add_column("\n".join(_head(group, column.title)), justify="right", no_wrap=True)
    for place, row in enumerate(sheet.rows):
        values = [
            Text(printable(column.values[place]), style="bold" if place in column.best else "")
            for _, column in columns
        ]
        table.add_row(row, *values)
    return table


def _head(group: Group, title: str) -> list[str]:
    return [*(part.strip() for part in group.title.split(",") if part), title]


def _width(texts: Sequence[str]) -> int:
    return max(len(text) for text in texts) + _PADDING
