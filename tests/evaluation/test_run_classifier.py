"""The test of a classifier: images as in training, and a picture of its errors that costs little."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from denoise_cli.config import ClassifyConfig, load_config
from denoise_cli.evaluation.report.summaries import Accuracy, ClassifierSummary
from denoise_cli.evaluation.run_classifier import _load_images, draw_confusion, most_confused
from denoise_cli.evaluation.scores.test_images import Report
from denoise_cli.training.data import load_data
from denoise_cli.weights.header import WeightsHeader
from tests.conftest import write_images


@pytest.mark.parametrize("settings", [[], ["data.crop=24"], ["data.resize=28", "data.crop=24"]])
def test_images_are_tested_as_they_are_validated(tmp_path: Path, settings: list[str]) -> None:
    """Pictures of another shape than the classifier's, whose classes could differ by their scale alone."""
    for name in ("cat", "dog"):
        write_images(tmp_path / "all/train" / name, 2, 64)
        for path in (tmp_path / "all/train" / name).iterdir():
            with Image.open(path) as image:
                image.resize((40, 48)).save(path)
    shutil.copytree(tmp_path / "all/train", tmp_path / "all/test")
    given = ["model=cnn", f"data.dataset={tmp_path}/all", "data.holdout=0", *settings]
    config = load_config(ClassifyConfig, None, given, {})
    data = load_data(config)
    side = data.streams[0].crop
    assert side == (24 if settings else 96)
    tested = _load_images(config, WeightsHeader("classifier", "cnn", True, ("cat", "dog"), side))
    assert len(tested) == len(data.validation) == 4
    for index in range(4):
        assert tested.image(index).shape == (3, side, side)
        assert torch.equal(tested.image(index), data.validation.image(index))


def _report(folder: Path, classes: int, **fields: Any) -> Report[ClassifierSummary]:
    counts = torch.eye(classes, dtype=torch.int64) * 5
    counts[7, 3] = counts[3, 7] = 9
    summary = ClassifierSummary(
        model="cnn",
        batch_norm=True,
        weights="w",
        sha256="s",
        trained_on="basic",
        noise="basic",
        denoiser=None,
        dataset="d",
        n=10,
        seed=0,
        device="cpu",
        accuracy={"noisy": Accuracy(mean=0.5, interval=(0.4, 0.6))},
        per_class=(),
        classes=tuple(f"cost$5 a$_${number}" for number in range(classes)),
        confusion=tuple(map(tuple, counts.tolist())),
        **fields,
    )
    return Report(summary, folder)


def test_many_classes_are_drawn_in_part(tmp_path: Path) -> None:
    draw_confusion(_report(tmp_path, 200))
    with Image.open(tmp_path / "confusion.png") as image:
        assert max(image.size) < 1800


def test_the_most_confused_classes_are_chosen() -> None:
    counts = torch.tensor(_report(Path(), 200).summary.confusion)
    chosen = most_confused(counts).tolist()
    assert len(chosen) == 24 and {3, 7} <= set(chosen) and chosen == sorted(chosen)
    assert most_confused(counts[:10, :10]).tolist() == list(range(10))
