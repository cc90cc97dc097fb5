"""Scores of images that a run was trained on come with a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from denoise_cli.data.folder import load_folder
from denoise_cli.evaluation.scores.leakage import leakage_note
from tests.conftest import Command, run_here, write_images

TRAIN = ("train", "cae", "--steps", "1", "--batch-size", "4", "--out", "runs/mine", "--dataset")
CLASSIFY = ("classify", "cnn", "--steps", "1", "--batch-size", "4", "--dataset", "classes", "--out", "c")


ALL = ("--set", "data.test_share=0")


def test_every_command_that_scores_warns(denoise: Command, tmp_path: Path) -> None:
    write_images(tmp_path / "flat", 6)
    assert denoise(*TRAIN, "flat", *ALL).returncode == 0
    test = denoise("test", "--weights", "runs/mine", "--dataset", "flat", "-o", "r")
    assert "runs/mine was trained on images of flat" in test.stderr
    assert "trained on images" in json.loads((tmp_path / "r/scores.json").read_text())["notes"][0]
    compare = denoise("compare", "runs/mine", "--dataset", "flat", "--noise", "basic")
    assert "runs/mine was trained on images of flat" in compare.stdout
    write_images(tmp_path / "new", 2, seed=9)
    other = denoise("test", "--weights", "runs/mine", "--dataset", "new", "-o", "s")
    assert "was trained on" not in other.stderr


def test_a_classifier_is_no_better(denoise: Command, tmp_path: Path) -> None:
    _write_classes(tmp_path)
    made = denoise(*CLASSIFY, *ALL)
    assert made.returncode == 0, made.stderr
    assert "was trained on images of classes" in made.stderr


def test_a_folder_without_a_test_part_keeps_a_share(denoise: Command, tmp_path: Path) -> None:
    """What is scored was not trained on, and is the same for every seed and command."""
    write_images(tmp_path / "flat", 40)
    kept = set(load_folder(tmp_path / "flat", "test", test_share=0.1).names)
    for seed in ("0", "1"):
        run = f"runs/{seed}"
        made = denoise(*TRAIN[:-3], "--out", run, "--dataset", "flat", "--seed", seed)
        assert made.returncode == 0, made.stderr
        assert "flat has no test part: 10% of its pictures are kept for testing." in made.stderr
        test = denoise("test", "--weights", run, "--dataset", "flat", "-o", f"{run}/test")
        scores = json.loads((tmp_path / run / "test/scores.json").read_text())
        assert set(scores["images"]) == kept
        note = f"flat has no test part: scored on the {len(kept)} pictures that training left out."
        assert scores["notes"] == [note]
        assert note in test.stderr and "was trained on" not in test.stderr
    both = denoise("compare", "runs/0", "runs/1", "--dataset", "flat", "--noise", "basic", "--format", "json")
    results = json.loads(both.stdout)
    assert set(results["images"]) == kept and note in results["notes"]
    # Nobody has seen the pictures: all are scored.
    other = denoise("test", "cae", "--dataset", "flat", "-o", "bundled")
    assert other.returncode == 0, other.stderr
    assert len(json.loads((tmp_path / "bundled/scores.json").read_text())["images"]) == 40
    # One has seen them all: all are scored, with a warning.
    assert denoise(*TRAIN[:-3], "--out", "runs/all", "--dataset", "flat", *ALL).returncode == 0
    mixed = denoise(
        "compare", "runs/0", "runs/all", "--dataset", "flat", "--noise", "basic", "--format", "json"
    )
    results = json.loads(mixed.stdout)
    assert len(results["images"]) == 40
    assert {note.split(" was ")[0] for note in results["notes"]} >= {"runs/0", "runs/all"}


def test_a_classifier_is_tested_on_what_was_kept(denoise: Command, tmp_path: Path) -> None:
    _write_classes(tmp_path)
    made = denoise(*CLASSIFY)
    assert made.returncode == 0, made.stderr
    kept = load_folder(tmp_path / "classes", "test", test_share=0.1).names
    assert tuple(json.loads((tmp_path / "c/test/scores.json").read_text())["images"]) == kept
    assert "was trained on" not in made.stderr


def test_runs_of_earlier_versions_kept_nothing(denoise: Command, tmp_path: Path) -> None:
    write_images(tmp_path / "flat", 6)
    assert denoise(*TRAIN, "flat", *ALL).returncode == 0
    config = tmp_path / "runs/mine/config.yaml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if "test_share" not in line))
    resumed = denoise("train", "--resume", "runs/mine", "--steps", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert "no test part" not in resumed.stderr
    test = denoise("test", "--weights", "runs/mine", "--dataset", "flat", "-o", "r")
    assert "runs/mine was trained on images of flat" in test.stderr


def _write_classes(root: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        write_images(root / "classes" / name, 12, seed=seed)


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


def test_a_folder_with_parts_kept_nothing_of_them(denoise: Command, tmp_path: Path) -> None:
    write_images(tmp_path / "set/train", 12)
    write_images(tmp_path / "set/test", 2, seed=1)
    assert denoise(*TRAIN, "set").returncode == 0
    test = denoise("test", "--weights", "runs/mine", "--dataset", "set/train", "-o", "r")
    assert "runs/mine was trained on images of set/train" in test.stderr
    assert "training left out" not in test.stderr
    assert len(json.loads((tmp_path / "r/scores.json").read_text())["images"]) == 12


@pytest.mark.parametrize("out", ["runs/mine", "mine"])
def test_a_run_knows_its_images_from_any_folder(tmp_path: Path, out: str) -> None:
    write_images(tmp_path / "flat", 12)
    made = run_here(tmp_path, *TRAIN[:-3], "--out", out, "--dataset", "flat")
    assert made.returncode == 0, made.stderr
    (tmp_path / "elsewhere").mkdir()
    test = run_here(
        tmp_path / "elsewhere", "test", "--weights", f"../{out}", "--dataset", "../flat", "-o", "r"
    )
    assert test.returncode == 0, test.stderr
    assert "../flat has no test part: scored on the" in test.stderr
