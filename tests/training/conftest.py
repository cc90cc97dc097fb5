"""A small run to train and look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from denoise_cli.config import TrainConfig, load_config
from denoise_cli.runs import RunFolder
from tests.conftest import write_images

TRAIN = ("train", "cae", "--dataset", "images", "--out", "run", "--batch-size", "4", "--device", "cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images/train", 12, 16)
    write_images(tmp_path / "images/test", 2, 16, seed=1)
    return tmp_path


def configured(folder: Path, **more: Any) -> TrainConfig:
    values = {"model": "cae", "data": {"dataset": str(folder / "images")}, "out": str(folder / "run")}
    return load_config(TrainConfig, None, [], values | {"batch_size": 4, "device": "cpu"} | more)


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in RunFolder(run).events() if row["event"] == kind]
