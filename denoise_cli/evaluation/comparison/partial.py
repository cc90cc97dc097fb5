"""Cells that have been scored, kept so that a comparison goes on where it stopped and is soon drawn again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from denoise_cli.data.source import Images
from denoise_cli.data.torchvision_sets import default_data_dir
from denoise_cli.evaluation.comparison.results import Cell, Picture, ScoredClassifier
from denoise_cli.evaluation.report.record import Record

_MAX_AGE = 30 * 86_400.0


class ScoredCell(Record):
    """A cell and the example pictures that belong to it, or a classifier."""

    key: str
    cell: Cell | None = None
    classifier: ScoredClassifier | None = None
    pictures: tuple[Picture, ...] = ()


class Partial:
    """The scored cells of one comparison, in a file of the user's cache.

    The file is named after all that scores depend on but the method itself: pixels, noise seed,
    protocol, device, versions and our own code. It is deleted when nothing was added for 30 days.
    Where the cache cannot be written, nothing is kept.
    """

    def __init__(self, conditions: Mapping[str, Any]) -> None:
        text = json.dumps(conditions, sort_keys=True, default=str)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._path = default_data_dir() / "compare" / f"{name}.jsonl"

    def read(self) -> dict[str, ScoredCell]:
        """What an earlier process has scored, by key; a line that was cut off is left out."""
        _remove_old(self._path.parent)
        found: dict[str, ScoredCell] = {}
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return {}
        for line in filter(None, lines):
            with suppress(ValidationError):
                scored = ScoredCell.model_validate_json(line)
                found[scored.key] = scored
        return found

    def add(self, scored: ScoredCell) -> None:
        """Keep one more cell."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # On a line of its own, also after one that was cut off.
                file.write(f"\n{scored.model_dump_json()}\n")


def key_of(method: str, batch_norm: bool | None, noise: str, what: Sequence[str]) -> str:
    """What tells a cell from all others under the same conditions; `what` are weights or settings."""
    return json.dumps([method, batch_norm, noise, *what])


@cache
def digest_of_code() -> str:
    """SHA-256 of the modules that scores come from, so that scores of earlier code are not taken over."""
    package = Path(__file__).parents[2]
    parts = ("data", "evaluation/scores", "external", "models", "noise", "weights")
    here = ("benchmark", "classical", "classifiers", "gallery", "score_cell", "tuning")
    files = [package / "metrics.py", *(Path(__file__).with_name(f"{name}.py") for name in here)]
    files += [path for part in parts for path in (package / part).rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def digest_of(source: Images) -> str:
    """SHA-256 of all pixels, names and sizes of a data set, and of the noisy halves of pairs."""
    digest = hashlib.sha256(json.dumps([source.names, source.shapes.tolist()]).encode())
    for images in (source, source.noisy):
        if images is not None:
            for index in range(len(images)):
                digest.update(images.image(index).contiguous().numpy().tobytes())
    return digest.hexdigest()


def _remove_old(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.glob("*.jsonl"):
            if time.time() - path.stat().st_mtime > _MAX_AGE:
                path.unlink(missing_ok=True)
