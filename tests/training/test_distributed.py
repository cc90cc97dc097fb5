"""Two processes follow one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

BASE = ["--steps", "12", "--batch-size", "8", "--no-batchnorm", "--set", "precision=fp32"]


def _launch(processes: int, *args: str | Path) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [*launcher, "-m", "denoise_cli"] if processes > 1 else ["-m", "denoise_cli"]
    return subprocess.run(
        [sys.executable, *command, *map(str, args)],
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
