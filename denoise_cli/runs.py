"""A run folder: what is in it and where.

config.yaml          the resolved config
metrics.jsonl        one JSON object per event: train, validation, done, interrupted, failed
last.safetensors     weights of the last validation
best.safetensors     weights of the best validation (held-out images only)
curve.png            loss and validation score by step
checkpoints/         training state to continue from
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoise_cli.files import write_atomic

# A run that has logged nothing for so long is taken for dead.
_SILENT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside one run folder and its log."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def last(self) -> Path:
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def curve(self) -> Path:
        return self.path / "curve.png"

    def log(self, event: str, **values: Any) -> None:
        """Append one event to `metrics.jsonl`."""
        row = {"event": event, "time": round(time.time(), 3), **values}
        with self.metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """All logged events; a last line cut off by a crash is left out."""
        if not self.metrics.is_file():
            return []
        rows = []
        for line in self.metrics.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    def forget_after(self, step: int) -> None:
        """Drop the events of steps that a resumed run does again."""
        kept = [row for row in self.events() if row.get("step", 0) <= step and row["event"] != "done"]
        write_atomic(self.metrics, "".join(json.dumps(row) + "\n" for row in kept).encode())

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return any(row["event"] == "done" for row in self.events())


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """One row per run folder in `folder`, with its status, last step, best score and time."""
    rows = []
    for config in sorted(folder.glob("*/config.yaml")):
        run = RunFolder(config.parent)
        events = run.events()
        validations = [row for row in events if row["event"] == "validation"]
        metric = "accuracy" if any("accuracy" in row for row in validations) else "psnr"
        rows.append(
            {
                "run": str(run.path),
                "status": _status(events),
                "step": max((row.get("step", 0) for row in events), default=0),
                "metric": metric,
                "best": max((row[metric] for row in validations), default=None),
                "seconds": max((row.get("seconds", 0.0) for row in events), default=0.0),
            }
        )
    return rows


def _status(events: list[dict[str, Any]]) -> str:
    if not events:
        return "not begun"
    last = events[-1]
    if last["event"] == "done":
        return "finished"
    if last["event"] in {"interrupted", "failed"}:
        return str(last["event"])
    return "running" if time.time() - last["time"] < _SILENT_SECONDS else "stopped"
