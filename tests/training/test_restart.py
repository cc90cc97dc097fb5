"""A run that is killed and resumed ends with the very weights of one that was not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from denoise_cli.__main__ import main
from denoise_cli.errors import TrainingError
from denoise_cli.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.conftest import run_here

SETTINGS = ["--steps", "60", "--batch-size", "8", "--no-batchnorm", "--noise", "blind"]
KEYS = ["precision=fp32", "save_seconds=0", "optim.ema=0.9", "optim.schedule=cosine", "validate_every=10"]

# What made the bundled weights: bfloat16, clipped gradients, batch norm. The clip is low enough to bite.
AS_SHIPPED = ["--batchnorm", "--set", "precision=bf16", "--set", "optim.clip=0.01"]


def _arguments(images: Path, out: Path, *extra: str) -> list[str]:
    keys = [part for key in KEYS for part in ("--set", key)]
    return ["train", "cae", "--dataset", str(images), "--out", str(out), *SETTINGS, *keys, *extra]


# Each start costs seconds of imports, which this server of processes does once.
_SERVER = get_context("forkserver")
# They import this module by its name, for which `pytest` alone leaves no path.
sys.path.append(str(Path(__file__).parents[2]))
_SERVER.set_forkserver_preload(["torch._dynamo", "denoise_cli.cli.train", "denoise_cli.training.run"])


class _Training:
    """The program in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        with NamedTemporaryFile(delete=False) as file:
            self._errors = Path(file.name)
        self._process = _SERVER.Process(target=_run, args=(arguments, self._errors))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal that ended it, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def finish(self) -> str:
        """Wait for the end; returns what was written to standard error."""
        self._process.join(timeout=200)
        try:
            return self._errors.read_text()
        finally:
            self._errors.unlink()


def _run(arguments: tuple[str, ...], errors: Path) -> None:
    os.dup2(os.open(errors, os.O_WRONLY), 2)
    torch.set_num_threads(1)
    sys.argv = ["denoise", *arguments]
    main()


def _start(images: Path, out: Path, *extra: str) -> _Training:
    return _Training(*_arguments(images, out, *extra))


def _resume(out: Path) -> _Training:
    return _Training("train", "--resume", str(out))


def _train_here(images: Path, out: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    return run_here(out.parent, *_arguments(images, out, *extra))


def _wait_for_a_checkpoint(out: Path, newer_than: set[str], process: _Training) -> set[str]:
    while process.returncode is None:
        names = {path.name for path in (out / "checkpoints").glob("step-*.pt")}
        if names - newer_than:
            return names
        time.sleep(0.005)
    return {path.name for path in (out / "checkpoints").glob("step-*.pt")}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    generator = random.Random(0)
    for number in range(24):
        tile = Image.new("RGB", (3, 3))
        tile.putdata([tuple(generator.randrange(256) for _ in range(3)) for _ in range(9)])
        tile.resize((24, 24), Image.Resampling.BICUBIC).save(root / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def pairs(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    shutil.copytree(images, root / "clean")
    (root / "noisy").mkdir()
    generator = np.random.default_rng(0)
    for path in (root / "clean").iterdir():
        with Image.open(path) as image:
            noisy = np.asarray(image) + generator.normal(0, 20, (24, 24, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / "noisy" / path.name)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "more"), [("blind", []), ("real", []), ("blind", AS_SHIPPED)])
def test_sigkill_at_random_moments_changes_no_bit(
    images: Path, pairs: Path, tmp_path: Path, noise: str, more: list[str]
) -> None:
    data = pairs if noise == "real" else images
    # In this process: what was killed agrees with what ran here, too.
    whole = _train_here(data, tmp_path / "whole", "--noise", noise, *more)
    assert whole.returncode == 0, whole.stderr

    broken = tmp_path / "broken"
    generator = random.Random(time.time_ns())
    process, seen, kills = _start(data, broken, "--noise", noise, *more), set[str](), 0
    for _ in range(3):
        seen = _wait_for_a_checkpoint(broken, seen, process)
        time.sleep(generator.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.finish()
        kills += process.returncode == -signal.SIGKILL
        process = _resume(broken)
    message = process.finish()
    assert process.returncode == 0, message

    assert kills >= 2, "the run ended before it was killed: the test proves nothing"
    for name in ("last.safetensors", "best.safetensors"):
        ours, theirs = load_file(tmp_path / "whole" / name), load_file(broken / name)
        assert ours.keys() == theirs.keys()
        assert all((ours[key] == theirs[key]).all() for key in ours)
        assert any("running_var" in key for key in ours) == bool(more)
    assert not list(broken.rglob(".*")), "a half-written file was left behind"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_resume(
    images: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "run"
    process = _start(images, out, "--steps", "5000")
    _wait_for_a_checkpoint(out, set(), process)
    process.send_signal(number)
    message = process.finish()
    assert process.returncode == code
    assert f"--resume {out}" in message
    assert "Traceback" not in message
    assert list((out / "checkpoints").glob("step-*.pt"))


def test_runs_are_neither_restarted_nor_overwritten_unasked(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert _train_here(images, out, "--steps", "4").returncode == 0
    before = (out / "last.safetensors").read_bytes()
    again = _train_here(images, out, "--steps", "4")
    assert again.returncode == 1
    assert "finished run" in again.stderr
    assert "--overwrite" in again.stderr
    assert run_here(tmp_path, "train", "--resume", out).returncode == 0
    assert (out / "last.safetensors").read_bytes() == before
    assert _train_here(images, out, "--steps", "4", "--overwrite", "--seed", "5").returncode == 0
    assert (out / "last.safetensors").read_bytes() != before


def test_what_is_overwritten_goes_last(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert _train_here(images, out, "--steps", "4").returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for wrong in (("--set", "init=nowhere"), ("--dataset", str(tmp_path / "absent"))):
        done = _train_here(images, out, "--steps", "4", "--overwrite", *wrong)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    # A run may even start from the one that it replaces.
    done = _train_here(images, out, "--steps", "4", "--overwrite", "--set", f"init={out}")
    assert done.returncode == 0, done.stderr
    assert (out / "last.safetensors").read_bytes() != before[out / "last.safetensors"]


def test_an_average_that_begins_late_begins_at_the_present_weights(images: Path, tmp_path: Path) -> None:
    out, keys = tmp_path / "run", ["--set", "optim.ema=0"]
    assert _train_here(images, out, *keys).returncode == 0
    trained = load_file(out / "last.safetensors")
    more = ("--resume", out, "--steps", "61", "--set", "optim.ema=0.999")
    done = run_here(tmp_path, "train", *more)
    assert done.returncode == 0, done.stderr
    averaged = load_file(out / "last.safetensors")
    for name, value in trained.items():
        # One step moved them by no more than the learning rate.
        np.testing.assert_allclose(averaged[name], value, atol=2e-3)


def test_checkpoints_of_earlier_versions_go_on(images: Path, tmp_path: Path) -> None:
    now, before = tmp_path / "now", tmp_path / "before"
    assert _train_here(images, now, "--steps", "4").returncode == 0
    shutil.copytree(now, before)
    for path in (before / "checkpoints").glob("step-*.pt"):
        state = torch.load(path, weights_only=True)
        average = state["average"]
        del average["n_averaged"]
        state["average"] = {name.removeprefix("module."): value for name, value in average.items()}
        torch.save(state, path)
    for out in (now, before):
        done = run_here(tmp_path, "train", "--resume", out, "--steps", "6")
        assert done.returncode == 0, done.stderr
    ours, theirs = load_file(now / "last.safetensors"), load_file(before / "last.safetensors")
    assert all((ours[key] == theirs[key]).all() for key in ours)


@pytest.mark.parametrize("other", [["unet"], ["--batchnorm"]])
def test_a_run_goes_on_as_the_network_that_it_is(images: Path, tmp_path: Path, other: list[str]) -> None:
    out = tmp_path / "a run"
    assert _train_here(images, out, "--steps", "4").returncode == 0
    config = (out / "config.yaml").read_bytes()
    done = run_here(tmp_path, "train", *other, "--resume", out, "--steps", "6")
    assert done.returncode == 2
    assert "so it cannot go on with" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "config.yaml").read_bytes() == config
    assert run_here(tmp_path, "train", "--resume", out).returncode == 0


def test_a_run_that_stops_early_has_weights_when_it_is_done(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "a run"
    process = _start(images, out, "--steps", "5000", "--set", "validate_every=1000")
    _wait_for_a_checkpoint(out, set(), process)
    process.send_signal(signal.SIGINT)
    message = process.finish()
    assert f"--resume '{out}'" in message
    assert not (out / "last.safetensors").exists()
    done = run_here(tmp_path, "train", "--resume", out, "--steps", "1")
    assert done.returncode == 0, done.stderr
    assert (out / "last.safetensors").is_file()


def test_damaged_checkpoints(tmp_path: Path) -> None:
    """Whatever torch's reader stumbles over in a file, it is one that cannot be read."""
    state = Checkpoint(3, {"a": torch.zeros(4)}, {}, None, None, 1.5, 2.0, ("x",), "y")
    save_checkpoint(tmp_path, state)
    path = tmp_path / "step-00000003.pt"
    whole = path.read_bytes()
    found = load_checkpoint(tmp_path)
    assert found is not None and found.step == 3
    chance = random.Random(0)
    refused = 0
    # Pickles that end early, ask for what was never kept, or pop from an empty stack.
    cut = [b"\x80\x02e.", b"\x80\x020.", b"\x80\x02h\x07.", b"\x80\x02]q\x00(h\xff", b""]
    for number in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(bytes(data) if number >= len(cut) else cut[number])
        try:
            load_checkpoint(tmp_path)
        except TrainingError:
            refused += 1
    assert refused > 50


def test_checkpoints_that_are_not_ours(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert _train_here(images, out, "--steps", "4").returncode == 0
    for path in (out / "checkpoints").glob("step-*.pt"):
        path.write_text("garbage")
    done = run_here(tmp_path, "train", "--resume", out, "--steps", "6")
    assert done.returncode == 1
    assert "No checkpoint" in done.stderr
    assert "Traceback" not in done.stderr
