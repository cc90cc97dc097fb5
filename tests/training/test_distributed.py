"""Two processes follow one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import run_here

BASE = ["--steps", "12", "--batch-size", "8", "--no-batchnorm", "--set", "precision=fp32"]


def _launch(processes: int, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program under PyTorch's launcher, or in this process where it is one."""
    if processes == 1:
        return run_here(Path.cwd(), *args)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [sys.executable, *launcher, "-m", "denoise_cli", *map(str, args)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_two_processes_train_and_score_like_one(image_folder: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    for processes, out in enumerate(runs, 1):
        done = _launch(processes, "train", "cae", "--dataset", image_folder, "--out", out, *BASE)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("Done:") == 1, "only rank 0 speaks"
    one, two = (load_file(run / "last.safetensors") for run in runs)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-5)

    losses = []
    for run in runs:
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses.append([row["psnr"] for row in rows if row["event"] == "validation"])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-3)

    scores = []
    for processes in (1, 2):
        out = tmp_path / f"scores{processes}"
        done = _launch(processes, "test", "--weights", runs[0], "--dataset", image_folder, "--out", out)
        assert done.returncode == 0, done.stderr
        scores.append(json.loads((out / "scores.json").read_text())["per_image"]["psnr"])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


def test_two_processes_train_and_score_a_grid(image_folder: Path, tmp_path: Path) -> None:
    grid = ("compare", "--models", "cae", "--noise", "basic", "--dataset", image_folder)
    train = ("--train", "--steps", "2", "--weights", tmp_path / "runs")
    done = _launch(2, *grid, *train, "-o", tmp_path / "two.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Run 1 of 1") == 1, "only rank 0 speaks"

    again = _launch(1, *grid, "--weights", tmp_path / "runs", "-o", tmp_path / "one.json")
    assert again.returncode == 0, again.stderr
    two, one = (json.loads((tmp_path / name).read_text())["cells"] for name in ("two.json", "one.json"))
    assert [cell["method"] for cell in two] == [cell["method"] for cell in one] == ["noisy input", "cae"]
    for ours, theirs in zip(two, one, strict=True):
        np.testing.assert_allclose(ours["image_psnr"], theirs["image_psnr"], atol=1e-3)


def test_two_processes_score_the_network_that_they_save(image_folder: Path, tmp_path: Path) -> None:
    """Each one's batch norm has statistics of its own images; those of the first are saved."""
    out = tmp_path / "run"
    settings = ["--steps", "10", "--batch-size", "8", "--set", "precision=fp32", "--set", "data.holdout=0"]
    done = _launch(2, "train", "cae", "--dataset", image_folder, "--out", out, *settings)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    (logged,) = [row["psnr"] for row in rows if row["event"] == "validation" and row["step"] == 10]
    done = _launch(1, "test", "--weights", out, "--dataset", image_folder, "--out", tmp_path / "scores")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores" / "scores.json").read_text())["psnr"] == pytest.approx(
        logged, abs=1e-3
    )
    (start,) = [row for row in rows if row["event"] == "start"]
    assert start["processes"] == 2
    assert start["device"].startswith("cpu")
