"""What can be seen of a run: its first lines, samples, tables, trackers, and why it ended."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from denoise_cli.cli.console import Console, TrainingDisplay
from denoise_cli.config import TrainConfig, load_config
from denoise_cli.errors import ConfigError
from denoise_cli.metrics import psnr
from denoise_cli.models import build_denoiser
from denoise_cli.runs import RunFolder
from denoise_cli.training import loggers, trainer
from denoise_cli.training.checkpoint import load_checkpoint, save_checkpoint
from denoise_cli.training.loggers import open_logger
from denoise_cli.training.run import SilentReporter, train
from denoise_cli.training.tasks import DenoiseTask
from tests.conftest import run_here, write_images

Done = subprocess.CompletedProcess[str]
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


# What each logger wrote, read back by the package that it is for.


def in_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()
    scalars = {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in tags["scalars"]}
    return scalars | {tag: [(e.step, e.width) for e in found.Images(tag)] for tag in tags["images"]}


def test_tensorboard_holds_the_values_of_the_log(folder: Path) -> None:
    train(configured(folder, epochs=3, log="tensorboard"), SilentReporter())
    run = RunFolder(folder / "run")
    found = in_tensorboard(run.tensorboard)
    for kind, keys in {
        "train": ("loss", "learning_rate", "images_per_second"),
        "validation": ("psnr", "ssim"),
    }.items():
        for key in keys:
            steps, values = zip(*[(row["step"], row[key]) for row in events(run.path, kind)], strict=True)
            assert [step for step, _ in found[f"{kind}/{key}"]] == list(steps)
            assert [value for _, value in found[f"{kind}/{key}"]] == pytest.approx(values, rel=1e-6)
    assert [step for step, _ in found["samples"]] == [row["step"] for row in events(run.path, "validation")]


def test_tensorboard_forgets_what_a_resumed_run_does_again(folder: Path) -> None:
    """Steps after the last saved state are trained twice, and shown once."""
    keys = ("--log", "tensorboard", "--set", "validate_every=0.4")
    assert run_here(folder, *TRAIN, "--steps", "4", *keys).returncode == 0
    newest = sorted((folder / "run/checkpoints").iterdir())[-1]
    newest.unlink()  # As if the last saved state had not come to be.
    done = run_here(folder, "train", "--resume", "run", "--steps", "6")
    assert done.returncode == 0, done.stderr
    found = in_tensorboard(folder / "run/tensorboard")
    rows = events(folder / "run", "validation")
    assert len(rows) > 3
    assert [step for step, _ in found["validation/psnr"]] == [row["step"] for row in rows]
    values = [value for _, value in found["validation/psnr"]]
    assert values == pytest.approx([row["psnr"] for row in rows], rel=1e-6)


def test_overwriting_a_run_takes_away_what_showed_it(folder: Path) -> None:
    assert run_here(folder, *TRAIN, "--steps", "5", "--log", "tensorboard").returncode == 0
    done = run_here(folder, *TRAIN, "--steps", "2", "--overwrite")
    assert done.returncode == 0, done.stderr
    run = RunFolder(folder / "run")
    assert [path.name for path in run.samples.iterdir()] == ["step-00000002.png"]
    assert list(run.tensorboard.iterdir()) == []
    assert len(run.table.read_text().splitlines()) == 1 + len(
        events(run.path, "train") + events(run.path, "validation")
    )


def log_records(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: blocks of 32 KiB with parts of records, each after seven bytes."""
    place, parts = 7, b""  # The file begins with seven bytes of its own in the first block.
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in {1, 4}:  # A whole record, or the last part of one.
            yield parts
            parts = b""


def test_weights_and_biases_gets_the_values_of_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, by the real package: its file is read back record by record."""
    pytest.importorskip("wandb")
    code = (
        "import sys; from tests.training.test_watching import *; "
        "train(configured(Path(sys.argv[1]), epochs=3, log='wandb'), SilentReporter())"
    )
    env = {**os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(folder)}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), env.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "run/wandb").glob("offline-run-*/run-*.wandb")
    messages = import_module("wandb.proto.wandb_internal_pb2")
    found = []
    for data in log_records(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(data)
        items = record.history.item
        found.append({(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in items})
    expected = [(row["step"], row["psnr"]) for row in events(folder / "run", "validation")]
    assert [(row["_step"], row["validation/psnr"]) for row in found if "validation/psnr" in row] == expected


def test_trackio_gets_the_values_of_the_log(folder: Path) -> None:
    """By the real package, into a data base of its own on this machine."""
    pytest.importorskip("trackio")
    code = (
        "import sys; from tests.training.test_watching import *; "
        "train(configured(Path(sys.argv[1]), epochs=3, log='trackio'), SilentReporter())"
    )
    env = {**os.environ, "HOME": str(folder), "HF_HOME": str(folder), "TRACKIO_DIR": str(folder / "trackio")}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), env.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    read = (
        "import json; from trackio.sqlite_storage import SQLiteStorage as S; "
        "(run,) = S.get_runs('denoise'); print(json.dumps(S.get_logs('denoise', run)))"
    )
    out = subprocess.run([sys.executable, "-c", read], env=env, capture_output=True, text=True, check=True)
    found = json.loads(out.stdout.splitlines()[-1])
    expected = [(row["step"], row["psnr"]) for row in events(folder / "run", "validation")]
    assert [(row["step"], row["validation/psnr"]) for row in found if "validation/psnr" in row] == expected


def test_a_tracker_that_is_not_installed_is_named_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    done = run_here(folder, *TRAIN, "--log", "wandb")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "Error: Weights & Biases is not installed.",
        "Install it: pip install wandb; or leave out --log.",
    ]
    assert not (folder / "run").exists()


def test_sittings_of_a_run_are_one_run_of_a_tracker(folder: Path) -> None:
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.log("start", step=0)
    first = loggers._identity(run)
    run.log("start", step=5)
    assert loggers._identity(run) == first
    other = RunFolder(folder / "other")
    other.path.mkdir()
    other.metrics.write_text(json.dumps({"event": "start", "step": 0, "time": 1.5}) + "\n")
    assert loggers._identity(other) != first


def test_without_a_tracker_nothing_is_opened(folder: Path) -> None:
    assert open_logger(configured(folder), RunFolder(folder / "run"), 0) is None


# Stopping early.


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
