"""What a run is when it is resumed, what ends it, and who may train in its folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from denoise_cli.config import TrainConfig, load_config
from denoise_cli.errors import ConfigError, OutputExists
from denoise_cli.runs import RunFolder, list_runs
from denoise_cli.training import trainer
from denoise_cli.training.data import load_data
from denoise_cli.training.signals import _SIGNALS, catch_signals
from denoise_cli.training.tasks import DenoiseTask
from tests.conftest import run_here, write_images

Done = subprocess.CompletedProcess[str]
TRAIN = (
    "train",
    "cae",
    "--batch-size",
    "4",
    "--noise",
    "basic",
    "--device",
    "cpu",
    "--set",
    "precision=fp32",
)


def train(folder: Path, *more: str | Path) -> Done:
    return run_here(folder, *TRAIN, "--dataset", "images", "--out", "run", *more)


def resume(folder: Path, *more: str | Path) -> Done:
    return run_here(folder, "train", "--resume", "run", *more)


def contents(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_images(folder / "images", 12, 16)
    write_images(folder / "others", 12, 16, seed=5)
    (folder / "others/000.png").rename(folder / "others/999.png")
    done = train(folder, "--steps", "2", "--set", "validate_every=0.3")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder with images and a finished run of two steps."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--noise", "intense"], "noise basic, so it cannot go on with noise intense"),
        (["--dataset", "others"], "data.dataset images, so it cannot go on with data.dataset others"),
        (["--set", "validate_noise=intense"], "cannot go on with validate_noise"),
        (["--seed", "1"], "cannot go on with seed 1"),
        (["--set", "data.limit=5"], "cannot go on with data.limit 5"),
        (["--set", "data.crop=8"], "cannot go on with data.crop 8"),
        (["--set", "data.holdout=0.5"], "cannot go on with data.holdout 0.5"),
        (["--set", "init=run"], "cannot go on with init run"),
    ],
)
def test_another_task_is_refused(folder: Path, more: list[str], said: str) -> None:
    before = contents(folder / "run")
    for steps in ("2", "4"):
        done = resume(folder, "--steps", steps, *more)
        assert done.returncode == 2 and said in done.stderr, done.stderr
        assert "--set init=run" in done.stderr and contents(folder / "run") == before


def test_other_settings_are_applied_logged_and_said(folder: Path) -> None:
    done = resume(
        folder,
        "--steps",
        "3",
        "--set",
        "optim.weight_decay=0.5",
        "--set",
        "optim.optimizer=adamw",
        "--lr",
        "0.01",
    )
    assert done.returncode == 0, done.stderr
    assert "Changed: optim.weight_decay is 0.5, and was 0.0." in done.stderr
    run = RunFolder(folder / "run")
    start = [row for row in run.events() if row["event"] == "start"][-1]
    changed = {"steps": 3, "optim.weight_decay": 0.5, "optim.optimizer": "adamw", "optim.lr": 0.01}
    assert start["changed"] == changed
    (group,) = torch.load(run.checkpoints / "step-00000003.pt", weights_only=True)["optimizer"][
        "param_groups"
    ]
    assert (group["weight_decay"], group["decoupled_weight_decay"]) == (0.5, True)


def test_a_finished_run_stays_as_it_is(folder: Path) -> None:
    before = contents(folder / "run")
    done = resume(folder, "--set", "optim.weight_decay=0.5")
    assert done.returncode == 0 and "finished at step 2: nothing to train" in done.stderr
    assert contents(folder / "run") == before


def test_images_that_came_after_the_beginning_are_noticed(folder: Path) -> None:
    shutil.copy(folder / "images/001.png", folder / "images/more.png")
    before = contents(folder / "run")
    done = resume(folder, "--steps", "4")
    assert done.returncode == 1 and "The images are not those" in done.stderr
    assert contents(folder / "run") == before
    (folder / "images/more.png").unlink()
    assert resume(folder, "--steps", "4").returncode == 0


def test_a_folder_that_has_moved_is_the_same(folder: Path) -> None:
    (folder / "images").rename(folder / "moved")
    config = folder / "run/config.yaml"
    config.write_text(config.read_text().replace("dataset: images", "dataset: moved"))
    assert resume(folder, "--steps", "3").returncode == 0


def test_checkpoints_that_are_gone(folder: Path) -> None:
    shutil.rmtree(folder / "run/checkpoints")
    before = contents(folder / "run")
    for more in ((), ("--steps", "9")):
        done = resume(folder, *more)
        assert done.returncode == 1 and "The checkpoints of run are gone" in done.stderr
        assert "--set init=run" in done.stderr and contents(folder / "run") == before
    # A crash before the first one loses nothing: the run begins.
    metrics = folder / "run/metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines(keepends=True)[0])
    assert resume(folder).returncode == 0


def test_one_process_trains_in_a_folder(folder: Path) -> None:
    before = contents(folder / "run")
    run = RunFolder(folder / "run")
    with run.hold():
        assert list_runs(folder)[0]["status"] == "running"
        for done in (resume(folder, "--steps", "9"), train(folder, "--steps", "1", "--overwrite")):
            assert done.returncode == 1 and "is being trained by another process" in done.stderr
    assert contents(folder / "run") == before
    # A process that dies leaves the file but not the lock.
    run.lock.touch()
    assert list_runs(folder)[0]["status"] == "finished"
    assert resume(folder, "--steps", "3").returncode == 0 and not run.lock.exists()


def test_a_folder_that_nothing_came_of_is_taken_away(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new").hold(), pytest.raises(OutputExists), RunFolder(tmp_path / "new").hold():
        pass
    assert not (tmp_path / "new").exists()
    assert train(tmp_path).returncode == 1  # no images
    assert not (tmp_path / "run").exists()


def _of_score(value: float) -> Callable[..., dict[str, float]]:
    return lambda *_: {"psnr": value, "ssim": 0.5}


def test_a_run_that_diverges_keeps_its_last_good_state(folder: Path) -> None:
    run = folder / "run"
    kept = {path: data for path, data in contents(run).items() if path.suffix in {".safetensors", ".pt"}}
    done = resume(folder, "--steps", "4", "--lr", "1e38")
    assert done.returncode == 1
    assert "diverged" in done.stderr and "--resume run --lr" in done.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
        "step-00000001.pt",
        "step-00000002.pt",
    ]
    assert list_runs(folder)[0]["status"] == "failed"
    assert resume(folder, "--steps", "4", "--lr", "1e-4").returncode == 0


def test_a_score_that_is_no_number_is_not_the_best(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DenoiseTask, "validate", _of_score(float("nan")))
    done = train(folder, "--steps", "1", "--out", "nan")
    assert done.returncode == 1 and "validation score is not finite" in done.stderr
    assert {path.name for path in (folder / "nan").iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "metrics.jsonl",
    }
    assert "(best)" not in done.stderr and "Done" not in done.stderr


def test_a_best_that_an_earlier_version_took_for_one_is_forgotten(folder: Path) -> None:
    for path in (folder / "run/checkpoints").iterdir():
        state: dict[str, Any] = torch.load(path, weights_only=True)
        torch.save({**state, "best": float("nan")}, path)
    done = resume(folder, "--steps", "3")
    assert done.returncode == 0 and "(best)" in done.stderr


def test_a_classifier_with_other_classes(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        write_images(tmp_path / "images/train" / name, 3, 16, seed=number)
        write_images(tmp_path / "images/test" / name, 1, 16, seed=number)
    command = ("classify", "cnn", "--steps", "1", "--batch-size", "2", "--dataset", "images", "--out", "run")
    assert run_here(tmp_path, *command).returncode == 0
    write_images(tmp_path / "images/train/emu", 3, 16)
    for forget in (False, True):
        if forget:
            _forget(tmp_path / "run")
        done = run_here(tmp_path, "classify", "--resume", "run", "--steps", "2")
        assert done.returncode == 1 and "classes" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def _forget(run: Path) -> None:
    """Make the checkpoints those of an earlier version, which did not name the classes."""
    for path in (run / "checkpoints").iterdir():
        state: dict[str, Any] = torch.load(path, weights_only=True)
        torch.save({k: v for k, v in state.items() if k not in {"classes", "images"}}, path)


@pytest.mark.parametrize("number", _SIGNALS)
def test_signals_of_terminals_and_schedulers_save(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    if number is signal.SIGINT:
        pytest.skip("it is meant for pytest, too")
    begin = trainer.Trainer._train_mode

    def signalled(self: trainer.Trainer) -> None:
        begin(self)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(trainer.Trainer, "_train_mode", signalled)
    done = train(folder, "--steps", "50", "--out", "new")
    assert done.returncode == 128 + number and "--resume new" in done.stderr
    assert list((folder / "new/checkpoints").iterdir()) and not (folder / "new/lock").exists()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "key",
    [
        "data.crop=1000000",
        "data.resize=10000000",
        f"batch_size={10**14}",
        "data.mix=[{dataset: D, rescale: 1e-300}]",
    ],
)
def test_sizes_beyond_memory_are_refused(made: Path, key: str) -> None:
    images = str(made / "images")
    assignments = ["model=cae", f"data.dataset={images}", key.replace("dataset: D", f"dataset: {images}")]
    with pytest.raises(ConfigError, match="GB of memory"):
        load_data(load_config(TrainConfig, None, assignments, {}))


def test_shuffled_guidance_needs_another_picture(folder: Path) -> None:
    done = run_here(
        folder,
        "train",
        "cnn_unet",
        "--batch-size",
        "1",
        "--dataset",
        "images",
        "--set",
        "guidance.source=shuffled",
    )
    assert done.returncode == 2 and "--batch-size 2" in done.stderr


@pytest.mark.parametrize(
    ("line", "damaged"),
    [
        (b"garbage", 1),
        (b"\xff\xfe\x00", 1),
        (b"[1, 2]", 1),
        (b"null", 1),
        (b'{"step": 1}', 1),
        (b'{"event": ["done"]}', 1),
        (b'{"event": "validation", "step": "many"}', 1),
        (b'{"event": "validation", "step": -1}', 1),
        (b'{"event": "validation", "step": true}', 1),
        (b'{"event": "x", "time": null}', 1),
        (b'{"event": "x", "seconds": NaN}', 1),
        (b"9" * 5000, 1),
        (b"[" * 100_000, 1),
        (b'{"event": "validation", "step": 9, "psnr": "high"}', 0),
        (b'{"event": "validation", "step": 9, "psnr": NaN}', 0),
        (b"", 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_odd_line_marks_its_run_alone(folder: Path, line: bytes, damaged: int) -> None:
    shutil.copytree(folder / "run", folder / "runs/odd")
    shutil.copytree(folder / "run", folder / "runs/sound")
    metrics = folder / "runs/odd/metrics.jsonl"
    first, *rest = metrics.read_bytes().splitlines(keepends=True)
    metrics.write_bytes(b"".join([first, line + b"\n", *rest]))
    done = run_here(folder, "runs")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert ("1 damaged line" in done.stdout) == bool(damaged) and done.stdout.count("finished") == 2
    odd, sound = json.loads(run_here(folder, "runs", "--json").stdout)
    assert odd["best"] == sound["best"] and (odd["damaged_lines"], sound["damaged_lines"]) == (damaged, 0)
    assert run_here(folder, "models").returncode == 0


def test_a_log_that_cannot_be_read_and_one_cut_off(folder: Path) -> None:
    run = RunFolder(folder / "run")
    whole = len(run.events())
    run.metrics.write_bytes(run.metrics.read_bytes()[:-5])
    assert run.read_log() == (run.events(), 0) and len(run.events()) == whole - 1
    run.metrics.unlink()
    run.metrics.mkdir()
    assert run.read_log() == ([], 1)
