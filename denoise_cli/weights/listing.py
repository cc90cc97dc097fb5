"""The rows of `denoise models`: architectures and weights."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from denoise_cli.errors import ModelWarning, WeightsError
from denoise_cli.models import count_trainable
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS
from denoise_cli.runs import RunFolder
from denoise_cli.weights.header import read_header
from denoise_cli.weights.store import find_weights, list_bundled


def list_architectures() -> list[dict[str, Any]]:
    """One row per architecture, with its trainable parameters.

    One of another package that cannot be built is left out with a `ModelWarning`.
    """
    rows = []
    for info in (*DENOISERS.values(), *CLASSIFIERS.values()):
        try:
            with_norm, without = info.parameters or count_trainable(info)
        except Exception as error:  # another package may fail in any way
            warnings.warn(f"The {info.kind} {info.name} cannot be built: {error}", ModelWarning, stacklevel=2)
            continue
        rows.append(
            {
                "name": info.name,
                "kind": info.kind,
                "summary": info.summary,
                "parameters": with_norm,
                "parameters_no_batch_norm": without,
                "gflop_per_megapixel": info.gflop_per_megapixel,
            }
        )
    return rows


def list_weights(runs: Path = Path("runs")) -> list[dict[str, Any]]:
    """One row per bundled weight file and per run in `runs`."""
    rows = []
    for entry in list_bundled():
        # As it is stored: to check a card by its schema takes longer than all the rest of the command.
        card = json.loads(entry.path.with_suffix(".json").read_bytes())
        rows.append(
            {
                "name": entry.name,
                "path": str(entry.path),
                "model": card["model"],
                "batch_norm": card["batch_norm"],
                "noise": card["noise"],
                "scores": {
                    row["noise"]: row["psnr"] for row in card["scores"] if row["set"] == "stl10-part/test"
                },
                "bytes": entry.path.stat().st_size,
            }
        )
    return rows + [_run_row(path) for path in sorted(runs.glob("*/last.safetensors"))]


def row_of(name: str) -> dict[str, Any]:
    """The row of a run or weight file; raises `WeightsError`."""
    path = find_weights(name)
    if path.name in {"best.safetensors", "last.safetensors"}:
        return _run_row(path)
    found = read_header(path)
    return {
        "name": name,
        "path": str(path),
        "model": found.name,
        "batch_norm": found.batch_norm,
        "noise": found.noise,
        "scores": {},
        "bytes": path.stat().st_size,
    }


def _run_row(last: Path) -> dict[str, Any]:
    run = RunFolder(last.parent)
    path = run.best if run.best.is_file() else last
    try:
        architecture = read_header(path)
    except WeightsError:
        row: dict[str, Any] = {"model": "unreadable", "batch_norm": None, "noise": "", "scores": {}}
        return {"name": str(last.parent), "path": str(path), **row, "bytes": path.stat().st_size}
    best = max((score for _, score in run.series("validation", "psnr")), default=None)
    return {
        "name": str(last.parent),
        "path": str(path),
        "model": architecture.name,
        "batch_norm": architecture.batch_norm,
        "noise": architecture.noise,
        "scores": {} if best is None else {"validation": best},
        "bytes": path.stat().st_size,
    }
