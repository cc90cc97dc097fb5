"""What `compare --train` says before it trains: cells, classifiers, hours, disk space."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from denoise_cli.config import TrainConfig
from denoise_cli.data.extent import training_extent
from denoise_cli.errors import DataError
from denoise_cli.training import estimate
from denoise_cli.training.estimate import Estimator
from tests.conftest import Command, write_images

TRAIN = ("compare", "--train", "--steps", "2", "--set", "train_set=[batch_size=8]", "--noise", "basic")


def test_the_plan_comes_before_training_and_alone_with_dry_run(
    denoise: Command, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_SECONDS", 0.0)
    command = (*TRAIN, "--models", "cae,cnn_unet", "--dataset", image_folder)
    plan = denoise(*command, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "0 of 2 runs of this comparison are finished" in plan.stderr
    assert "to train: 2 runs (cae-images-basic-bn-s0, cnn_unet-images-basic-bn-s0)" in plan.stderr
    assert "trained first: 1 run (classifier-cnn-images-basic-bn-s0)" in plan.stderr
    assert re.search(r"Training time: about \d+ (s|minutes) in one process on cpu", plan.stderr)
    assert re.search(r"Disk space: about \d+ MB of [\d.,]+ GB", plan.stderr)
    assert not (tmp_path / "runs").exists()
    made = denoise(*command, "--format", "json")
    assert made.returncode == 0, made.stderr
    assert made.stderr.index("Plan: 0 of 2") < made.stderr.index("Run 1 of 3")
    again = denoise(*command, "--dry-run")
    assert "Plan: nothing to train; 2 of 2 runs of this comparison are finished" in again.stderr
    refused = denoise("compare", "--dry-run")
    assert refused.returncode == 2 and "--dry-run has no effect without --train" in refused.stderr


def test_the_folder_of_a_run_is_about_as_large_as_said(
    denoise: Command, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_SECONDS", 0.0)
    made = denoise("train", "cae", "--steps", "2", "--batch-size", "4", "--dataset", image_folder, "-o", "r")
    assert made.returncode == 0, made.stderr
    size = sum(path.stat().st_size for path in (tmp_path / "r").rglob("*") if path.suffix != ".png")
    config = TrainConfig.model_validate(
        {"model": "cae", "steps": 2, "batch_size": 4, "data": {"dataset": str(image_folder)}}
    )
    found = Estimator().estimate(config)
    # A short run keeps one state, not two.
    assert 0.5 * found.disk < size < 1.1 * found.disk
    assert found.seconds is not None and found.seconds > 0
    half = Estimator().estimate(config.model_copy(update={"out": tmp_path / "r", "steps": 4}))
    assert half.seconds is not None


def test_the_extent_of_data_sets(tmp_path: Path) -> None:
    write_images(tmp_path / "a/train", 3, size=24)
    assert training_extent(str(tmp_path / "a")) == (3, 24)
    write_images(tmp_path / "b", 2, size=24)
    write_images(tmp_path / "b/more", 2, size=32)
    assert training_extent(str(tmp_path / "b")) == (4, None)
    write_images(tmp_path / "c/noisy", 2)
    write_images(tmp_path / "c/clean", 2)
    assert training_extent(str(tmp_path / "c")) == (2, 32)
    assert training_extent("STL-10") == (5000, 96)
    assert training_extent("sample")[1] == 96
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No images"):
        training_extent(str(tmp_path / "empty"))
    missing = TrainConfig.model_validate({"model": "cae", "data": {"dataset": str(tmp_path / "none")}})
    assert Estimator().estimate(missing).seconds is None
