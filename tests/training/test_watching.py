"""What can be seen of a run: its first lines, samples, tables, curve and time, and why it ended."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.cli.console import Console, TrainingDisplay
from denoise_cli.config import TrainConfig, load_config
from denoise_cli.metrics import psnr
from denoise_cli.models import build_denoiser
from denoise_cli.runs import RunFolder
from denoise_cli.training import trainer
from denoise_cli.training.run import SilentReporter, train
from denoise_cli.training.tasks import DenoiseTask
from tests.conftest import run_here
from tests.training.conftest import TRAIN, configured, events


def test_the_first_lines_say_what_is_trained_and_the_last_what_comes_next(folder: Path) -> None:
    done = run_here(folder, *TRAIN, "--steps", "6", "--no-batchnorm", "--set", "precision=fp32")
    assert done.returncode == 0, done.stderr
    parameters = sum(value.numel() for value in build_denoiser("cae", batch_norm=False).parameters())
    lines = done.stderr.splitlines()
    assert lines[1].startswith(f"cae without batch norm: {parameters:,} parameters; on cpu")
    assert lines[1].endswith("float32")
    assert "11 pictures to train on, 1 held out for validation; noise basic" in lines
    assert "6 steps of 4 pictures, 2.0 epochs" in lines
    command = lines[-1].removeprefix("Next: denoise ").split()
    assert run_here(folder, *command, "--json").returncode == 0


def test_samples_show_what_was_validated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is drawn under the noise of the validation, by the weights that are saved."""
    shown: list[Mapping[str, Any]] = []
    own = DenoiseTask.samples

    def keep(self: DenoiseTask, *args: Any) -> Mapping[str, Any]:
        shown.append(own(self, *args))
        return shown[-1]

    monkeypatch.setattr(DenoiseTask, "samples", keep)
    config = configured(folder, data={"dataset": str(folder / "images"), "holdout": 0.4}, epochs=2, samples=9)
    train(config, SilentReporter())
    run = RunFolder(folder / "run")
    scores = events(run.path, "validation")
    assert [path.name for path in sorted(run.samples.iterdir())] == [
        f"step-{row['step']:08d}.png" for row in scores
    ]
    # All held-out pictures are shown, so that their mean PSNR is the score.
    for columns, row in zip(shown, scores, strict=True):
        assert len(columns["clean"]) == 5
        values = [psnr(d[None], c[None]) for d, c in zip(columns["denoised"], columns["clean"], strict=True)]
        assert float(torch.cat(values).mean()) == pytest.approx(row["psnr"], abs=1e-4)
    with Image.open(run.sample(scores[-1]["step"])) as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    # Titled columns of pictures of 16 pixels, enlarged ten times; the last is the clean one.
    assert sheet.shape[1] == 3 * 160 + 2 * 4
    clean = (shown[-1]["clean"][0].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(sheet[16 : 16 + 160 : 10, 2 * 164 :: 10] - clean).max() <= 1


def test_samples_can_be_left_out(folder: Path) -> None:
    train(configured(folder, steps=2, samples=0), SilentReporter())
    assert not RunFolder(folder / "run").samples.exists()


def test_oracle_guidance_reaches_the_samples(image_folder: Path, tmp_path: Path) -> None:
    values = {"model": "cnn_unet", "data": {"dataset": str(image_folder)}, "steps": 1}
    done = run_here(
        tmp_path,
        "classify",
        "cnn",
        "--dataset",
        image_folder,
        "--steps",
        "1",
        "--batch-size",
        "8",
        "--out",
        "classifier",
    )
    assert done.returncode == 0, done.stderr
    more = {"guidance": {"source": "oracle"}, "classifier": str(tmp_path / "classifier"), "batch_size": 8}
    train(
        load_config(TrainConfig, None, [], values | more | {"out": str(tmp_path / "run")}), SilentReporter()
    )
    assert list(RunFolder(tmp_path / "run").samples.iterdir())


def test_the_table_holds_the_log(folder: Path) -> None:
    train(configured(folder, epochs=3), SilentReporter())
    run = RunFolder(folder / "run")
    with run.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    logged = [row for row in run.events() if row["event"] in {"train", "validation"}]
    assert len(rows) == len(logged) >= 4
    for row, event in zip(rows, logged, strict=True):
        assert {key: value for key, value in row.items() if value} == {
            key: str(value) for key, value in event.items()
        }
    assert float(rows[0]["learning_rate"]) == 0.001


def test_the_curve_is_drawn_while_training_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "CURVE_SECONDS", 0.0)
    drawn: list[int] = []
    monkeypatch.setattr(trainer, "draw_curve", lambda run: drawn.append(len(run.events())))
    train(configured(folder, epochs=3), SilentReporter())
    assert len(drawn) == len(events(folder / "run", "validation")) == 3


def test_the_expected_time_comes_from_the_first_steps(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    display = TrainingDisplay(console)
    now = [100.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("denoise_cli.cli.console.time.monotonic", lambda: now[0])
        display.start("run", (), 1000, 0, 10)
        for step in (2, 4, 6, 8, 10, 12):
            now[0] += 2.0  # One second a step, but the first steps took longer.
            display.step(step, 0.1, 4.0)
        display.close()
    err = capsys.readouterr().err
    assert err.count("Expected") == 1
    assert "Expected: about 17 minutes of training." in err


def test_ctrl_c_is_no_error(folder: Path) -> None:
    """A signal that the user sends ends a run in plain words: nothing went wrong."""
    code = (
        "import os, signal, sys\n"
        "from denoise_cli.training.trainer import Trainer\n"
        "own = Trainer._train_step\n"
        "def step(self):\n"
        "    if self.step == 3: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return own(self)\n"
        "Trainer._train_step = step\n"
        "from denoise_cli.__main__ import main\n"
        f"sys.argv = ['denoise', *{list(TRAIN)!r}, '--steps', '50']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Error" not in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "Stopped and saved in run.",
        "Continue with: denoise train --resume run",
    ]
