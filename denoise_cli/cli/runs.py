"""`denoise runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console, make_table
from denoise_cli.errors import UsageError, counted


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds run folders.")] = Path("runs"),
    format: options.FormatOption = None,
    json: options.Json = False,
) -> None:
    """List training runs with their status, best score and time."""
    from denoise_cli.runs import list_runs

    if not folder.is_dir() and folder != Path("runs"):
        raise UsageError(
            f"There is no folder {folder}.", "Runs are in ./runs unless --output says otherwise."
        )
    as_json = options.chosen_format(format, json) == "json"
    rows = list_runs(folder)
    if as_json:
        console.json(rows)
        return
    table = make_table(f"Runs in {folder}", "run", "status", "step", "best", "minutes")
    for row in rows:
        best = "" if row["best"] is None else f"{row['metric']} {row['best']:.4f}"
        damage = f", {counted(row['damaged_lines'], 'damaged line')}" if row["damaged_lines"] else ""
        status = f"{row['status']}{damage}"
        table.add_row(row["run"], status, str(row["step"]), best, f"{row['seconds'] / 60:.1f}")
    console.show(table)
