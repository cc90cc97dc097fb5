"""A run folder: what is in it and where.

config.yaml          the resolved config
metrics.jsonl        one JSON object per event: train, validation, done, interrupted, failed
metrics.csv          the same, a row for each step at which something was measured
last.safetensors     weights of the last validation
best.safetensors     weights of the best validation (held-out images only)
curve.png            loss and validation score by step
samples/             a few validation pictures as the network cleaned them at each validation
tensorboard/         event files, where that is asked for
noise.yaml           noise measured in photos, where it is trained with that
card.json            what there is to know of the weights, once training has come to its end
checkpoints/         training state to continue from
lock                 held by the process that trains, as long as it lives
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from denoise_cli.errors import OutputExists
from denoise_cli.files import nan_to_none, write_atomic

if sys.platform != "win32":
    import fcntl

_BUSY = {errno.EAGAIN, errno.EACCES}
_LARGEST_STEP = 2**53
_LARGEST = sys.float_info.max


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

    @property
    def card(self) -> Path:
        return self.path / "card.json"

    @property
    def table(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    def sample(self, step: int) -> Path:
        """Pictures of the validation after this step."""
        return self.samples / f"step-{step:08d}.png"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def noise(self) -> Path:
        """What was measured in photos, where it is trained with noise like theirs."""
        return self.path / "noise.yaml"

    def log(self, event: str, **values: Any) -> None:
        """Append one event to `metrics.jsonl`; numbers that are not finite become null."""
        row = nan_to_none({"event": event, "time": round(time.time(), 3), **values})
        with self.metrics.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """All logged events; lines that are none are left out."""
        return self.read_log()[0]

    def read_log(self) -> tuple[list[dict[str, Any]], int]:
        """All logged events, and how many lines are none; a last line cut off by a crash counts for nothing.

        An event has a name, and its `step`, `seconds` and `time`, where it has them, are numbers.
        """
        try:
            data = self.metrics.read_bytes()
        except FileNotFoundError:
            return [], 0
        except OSError:
            return [], 1
        lines = data.split(b"\n")
        rows = [_event(line) for line in lines[:-1] if line]
        last = _event(lines[-1])
        events = [row for row in (*rows, last) if row is not None]
        return events, rows.count(None)

    def series(self, event: str, key: str) -> list[tuple[int, float]]:
        """Step and value of a number in all events of a kind that have it, finite."""
        rows = [row for row in self.events() if row["event"] == event and _is_number(row.get(key))]
        return [(row.get("step", 0), float(row[key])) for row in rows]

    def forget_after(self, step: int) -> None:
        """Drop the events of steps that a resumed run does again."""
        kept = [row for row in self.events() if row.get("step", 0) <= step and row["event"] != "done"]
        write_atomic(self.metrics, "".join(json.dumps(row) + "\n" for row in kept).encode())
        for path in self.samples.glob("step-*.png"):
            if path.stem.removeprefix("step-").isdigit() and path > self.sample(step):
                path.unlink(missing_ok=True)

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return any(row["event"] == "done" for row in self.events())

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder and keep every other process from training in it during the block.

        The system gives the lock back when the process dies. Windows, and file systems without
        locks, have none.

        Raises:
            OutputExists: Another process trains in it.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        file = _take_lock(self.lock)
        if file is None:
            raise OutputExists(
                f"The run {self.path} is being trained by another process.",
                "Wait for it or stop it; `denoise runs` says when it has ended.",
            )
        try:
            yield
        finally:
            if sys.platform == "win32":
                file.close()
            self.lock.unlink(missing_ok=True)
            file.close()
            with suppress(OSError):  # Training has begun in it.
                for folder in made:
                    folder.rmdir()

    @property
    def is_held(self) -> bool:
        """Whether a process trains in it now."""
        if sys.platform == "win32":
            return False
        try:
            with self.lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in _BUSY
        return False


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """One row per run folder in `folder`, with its status, last step, best score and time.

    `damaged_lines` counts what is no event in its log.
    """
    rows = []
    for config in sorted(folder.glob("*/config.yaml")):
        run = RunFolder(config.parent)
        events, damaged = run.read_log()
        accuracy, psnr = (run.series("validation", key) for key in ("accuracy", "psnr"))
        scores = [score for _, score in accuracy or psnr]
        rows.append(
            {
                "run": str(run.path),
                "status": _status(run, events),
                "step": max((row.get("step", 0) for row in events), default=0),
                "metric": "accuracy" if accuracy else "psnr",
                "best": max(scores, default=None),
                "seconds": max((row.get("seconds", 0.0) for row in events), default=0.0),
                "damaged_lines": damaged,
            }
        )
    return rows


def _status(run: RunFolder, events: list[dict[str, Any]]) -> str:
    if run.is_held:
        return "running"
    if not events:
        return "not begun"
    last = events[-1]["event"]
    return {"done": "finished", "interrupted": "interrupted", "failed": "failed"}.get(last, "stopped")


def _event(line: bytes) -> dict[str, Any] | None:
    """The event in a line of a log; None where it is none."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("event"), str):
        return None
    step = row.get("step", 0)
    whole = isinstance(step, int) and not isinstance(step, bool) and 0 <= step <= _LARGEST_STEP
    numbers = all(_is_number(row.get(key, 0.0)) for key in ("seconds", "time"))
    return row if whole and numbers else None


def _is_number(value: Any) -> bool:
    """Whether it is a number that a float can hold; NaN is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _take_lock(path: Path) -> IO[str] | None:
    """The open lock file, locked; None where another process has it."""
    while True:
        file = path.open("a")
        if sys.platform == "win32":
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                file.close()
                return None
            return file  # The file system has no locks.
        # The last holder may have removed the file between the two steps.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()
