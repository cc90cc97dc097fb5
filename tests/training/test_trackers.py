"""TensorBoard, Weights & Biases and trackio hold what the log of a run holds."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from denoise_cli.runs import RunFolder
from denoise_cli.training import loggers
from denoise_cli.training.loggers import open_logger
from denoise_cli.training.run import SilentReporter, train
from tests.conftest import run_here
from tests.training.conftest import TRAIN, configured, events


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
