"""Scores of images that a run was trained on come with a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from denoise_cli.evaluation.scores.leakage import leakage_note
from tests.conftest import Command, write_images

TRAIN = ("train", "cae", "--steps", "1", "--batch-size", "4", "--out", "runs/mine", "--dataset")


def test_every_command_that_scores_warns(denoise: Command, tmp_path: Path) -> None:
    write_images(tmp_path / "flat", 6)
    assert denoise(*TRAIN, "flat").returncode == 0
    test = denoise("test", "--weights", "runs/mine", "--dataset", "flat", "-o", "r")
    assert "runs/mine was trained on images of flat" in test.stderr
    assert "trained on images" in json.loads((tmp_path / "r/scores.json").read_text())["notes"][0]
    compare = denoise("compare", "runs/mine", "--dataset", "flat", "--noise", "basic")
    assert "runs/mine was trained on images of flat" in compare.stdout
    write_images(tmp_path / "new", 2, seed=9)
    other = denoise("test", "--weights", "runs/mine", "--dataset", "new", "-o", "s")
    assert "was trained on" not in other.stderr


def test_a_classifier_is_no_better(denoise: Command, tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        write_images(tmp_path / "classes" / name, 6, seed=seed)
    made = denoise(
        "classify", "cnn", "--steps", "1", "--batch-size", "4", "--dataset", "classes", "--out", "c"
    )
    assert made.returncode == 0, made.stderr
    assert "was trained on images of classes" in made.stderr


@pytest.mark.parametrize(
    ("trained", "scored", "warns"),
    [
        ("split", "split", False),
        ("split", "split/train", True),
        ("split", "split/test", False),
        ("split/test", "split", True),
        ("flat", "flat/../flat", True),
        ("flat", "split", False),
        ("stl10", "stl10", False),
        ("missing", "split", False),
    ],
)
def test_what_counts_as_the_same_images(tmp_path: Path, trained: str, scored: str, warns: bool) -> None:
    for part in ("split/train", "split/test", "flat"):
        write_images(tmp_path / part, 1)
    where = {name: name if name == "stl10" else str(tmp_path / name) for name in (trained, scored)}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(
        json.dumps({"data": {"dataset": "x", "mix": [{"dataset": where[trained]}]}})
    )
    assert bool(leakage_note(run / "best.safetensors", where[scored])) == warns
    (run / "config.yaml").write_text("data: [")
    assert leakage_note(run / "best.safetensors", where[scored]) == ""
