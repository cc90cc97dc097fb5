"""Where a command takes one model, it takes a run, a weight file and a bundled name as well."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Command

RUN = ("--steps", "2", "--batch-size", "4", "--device", "cpu", "--set", "samples=0")


@pytest.fixture
def run(denoise: Command, image_folder: Path, tmp_path: Path) -> Path:
    done = denoise("train", "cae", "--dataset", image_folder, "--out", "mine", *RUN)
    assert done.returncode == 0, done.stderr
    return tmp_path / "mine"


def scores(done: subprocess.CompletedProcess[str]) -> tuple[str, float]:
    row = json.loads(done.stdout)
    return row["sha256"], row["psnr"]


def test_each_command_takes_a_run(denoise: Command, image_folder: Path, run: Path) -> None:
    """With the results of the same weights given by `--weights`."""
    score = ("--dataset", image_folder, "--json", "--overwrite")
    by_name = denoise("test", "mine", *score)
    assert by_name.returncode == 0, by_name.stderr
    assert scores(by_name) == scores(denoise("test", "--weights", "mine", *score))
    photo = next(image_folder.rglob("*.png"))
    for option, name in (("--model", "a.png"), ("--weights", "b.png")):
        done = denoise("denoise-image", photo, option, "mine", "-o", name)
        assert done.returncode == 0, done.stderr
    assert (run.parent / "a.png").read_bytes() == (run.parent / "b.png").read_bytes()
    for given, name in ((("mine",), "a.onnx"), (("--weights", "mine"), "b.onnx")):
        assert denoise("export", *given, "-o", name).returncode == 0
    assert (run.parent / "a.onnx").read_bytes() == (run.parent / "b.onnx").read_bytes()
    again = denoise("export", "a.onnx", "-o", "c.onnx")
    assert (again.returncode, "a.onnx is an ONNX file already" in again.stderr) == (1, True)
    grid = denoise("compare", "--train", "--models", "cae", "--weights", "mine", "--dataset", image_folder)
    assert (grid.returncode, "and mine is one run." in grid.stderr) == (2, True)
    shown = denoise("models", "mine", "--json")
    assert shown.returncode == 0, shown.stderr
    assert '"cae"' in shown.stdout


def test_bundled_names_and_files(denoise: Command, image_folder: Path) -> None:
    plain = denoise("test", "cae-nobn", "--dataset", image_folder, "--json", "--overwrite")
    assert plain.returncode == 0, plain.stderr
    flagged = denoise("test", "cae", "--no-batchnorm", "--dataset", image_folder, "--json", "--overwrite")
    assert scores(plain) == scores(flagged)


def test_a_model_comes_before_a_folder_of_its_name(denoise: Command, run: Path) -> None:
    shutil.move(run, run.parent / "unet")
    assert "U-Net" in denoise("models", "unet").stdout


def test_training_says_what_to_do_with_a_run(denoise: Command, image_folder: Path, run: Path) -> None:
    done = denoise("train", "mine", "--dataset", image_folder)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: mine is a run, not a model.",
        "Go on with it: denoise train --resume mine",
    ]
    done = denoise("classify", "mine", "--dataset", image_folder)
    assert "denoise classify --weights mine --eval-only" in done.stderr


@pytest.mark.parametrize("command", [("test", "mine"), ("denoise-image", "x.png", "--model", "mine")])
def test_weights_named_twice(denoise: Command, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "mine").mkdir()
    done = denoise(*command, "--weights", "cae-bn")
    assert done.returncode == 2
    assert "Weights are named twice: mine and --weights cae-bn." in done.stderr


@pytest.mark.parametrize("name", ["nothing", "x" * 5000, ""])
def test_what_names_nothing(denoise: Command, name: str) -> None:
    done = denoise("denoise-image", "x.png", "--model", name)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
