"""A run folder: what is in it and where.

    config.yaml          the resolved config
    metrics.jsonl        one JSON object per event: train, validation, done
    last.safetensors     weights of the last validation
    best.safetensors     weights of the best validation (held-out images only)
    checkpoints/         training state to continue from
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return any(row["event"] == "done" for row in self.events())
