"""A run ends early when its score no longer rises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from denoise_cli.errors import ConfigError
from denoise_cli.runs import RunFolder
from denoise_cli.training.checkpoint import load_checkpoint, save_checkpoint
from denoise_cli.training.run import SilentReporter, train
from denoise_cli.training.tasks import DenoiseTask
from tests.conftest import run_here
from tests.training.conftest import TRAIN, configured, events


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the validations of a run give, one after the other."""
    values: list[float] = []

    def validate(self: DenoiseTask, model: nn.Module, *args: Any) -> dict[str, float]:
        self._logits = None
        return {"psnr": values.pop(0)}

    monkeypatch.setattr(DenoiseTask, "validate", validate)
    return values


def test_it_stops_when_the_score_has_not_risen(folder: Path, scores: list[float]) -> None:
    scores[:] = [20.0, 21.0, 20.5, 22.0, 21.0, 22.0, 21.9, 25.0]
    keys = ("--patience", "3", "--epochs", "8", "--set", "samples=0")
    done = run_here(folder, *TRAIN, *keys)
    assert done.returncode == 0, done.stderr
    run = RunFolder(folder / "run")
    assert [row["psnr"] for row in events(run.path, "validation")] == [20, 21, 20.5, 22, 21, 22, 21.9]
    (end,) = events(run.path, "done")
    assert end["stopped_early"] is True
    assert f"No better score in 3 validations: stopped at step {end['step']}." in done.stderr
    # It is finished: going on has nothing to do, unless it is given more patience.
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    done = run_here(folder, "train", "--resume", "run")
    assert done.returncode == 0, done.stderr
    assert "is finished at step" in done.stderr
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    done = run_here(folder, "train", "--resume", "run", "--patience", "4")
    assert done.returncode == 0, done.stderr
    assert "Changed: patience is 4, and was 3." in done.stderr
    assert events(run.path, "validation")[-1]["psnr"] == 25.0
    (end,) = events(run.path, "done")
    assert "stopped_early" not in end


def test_patience_counts_over_sittings(folder: Path, scores: list[float]) -> None:
    """A run that is stopped in between stops early where an uninterrupted one does."""
    scores[:] = [22.0, 21.0]
    train(configured(folder, steps=6, patience=2, samples=0, validate_every=1.0), SilentReporter())
    run = RunFolder(folder / "run")
    state = load_checkpoint(run.checkpoints)
    assert state is not None
    assert state.stale == 1
    scores[:] = [21.5, 30.0]
    train(configured(folder, steps=12, patience=2, samples=0), SilentReporter(), resume=True)
    assert [row["psnr"] for row in events(run.path, "validation")] == [22.0, 21.0, 21.5]
    # States of earlier versions do not count.
    save_checkpoint(run.checkpoints, state)
    old = torch.load(run.checkpoints / f"step-{state.step:08d}.pt", weights_only=True)
    del old["stale"]
    torch.save(old, run.checkpoints / f"step-{state.step + 90:08d}.pt")
    restored = load_checkpoint(run.checkpoints)
    assert restored is not None
    assert restored.stale == 0


def test_patience_needs_pictures_that_are_held_out(folder: Path) -> None:
    data = {"dataset": str(folder / "images"), "holdout": 0}
    with pytest.raises(ConfigError, match=r"data\.holdout is 0"):
        train(configured(folder, data=data, patience=2), SilentReporter())
