"""Fixtures shared by several test packages."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.cli.app import app
from denoise_cli.cli.console import Console, console
from denoise_cli.models import build_denoiser
from denoise_cli.models.photo_unet.network import PhotoUNet
from denoise_cli.models.registry import DENOISERS
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import WeightsHeader

# Tiny tensors gain nothing from more threads, and barriers cost much on a shared machine: neither in
# the processes that tests start nor in this one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

# A shell that starts the tests in the background ignores Ctrl-C for them, and `nohup` a closed terminal;
# processes that they start would do so too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

Command = Callable[..., subprocess.CompletedProcess[str]]
Weights = Callable[[str, bool], Path]
CLASSES = tuple("abcdefghij")
# What a terminal would have: wide enough that no message is broken, and without colours.
TERMINAL = {"COLUMNS": "200", "NO_COLOR": "1"}


def run_here(
    folder: Path, *args: str | Path, stdin: bytes = b"", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the program in this process as `python -m denoise_cli` would run in `folder`.

    Its exit code and output are those of a process, a traceback included; output that is not UTF-8,
    such as a picture, has escapes (`surrogateescape`). What a process would own is put back: folder,
    environment, streams, console, signal handlers and torch's random state.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.chdir(folder)
        for name, value in (TERMINAL | env).items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own.
        fresh = Console()  # The width and the colours are read from the environment once.
        patch.setattr(console, "out", fresh.out)
        patch.setattr(console, "err", fresh.err)
        torch.manual_seed(0)
        try:
            app([str(arg) for arg in args], prog_name="denoise")
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if code == 128 + signal.SIGINT:
                raise KeyboardInterrupt from stop  # It was meant for pytest.
        except Exception:
            traceback.print_exc(file=err)
            code = 1
    assert {number: signal.getsignal(number) for number in handlers} == handlers, "a handler was left behind"
    texts = [stream.buffer.getvalue().decode(errors="surrogateescape") for stream in (out, err)]
    return subprocess.CompletedProcess(["denoise", *map(str, args)], code, *texts)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Scores and data sets that tests keep do not come from the user's cache, nor go there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DENOISE_DATA_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def denoise(tmp_path: Path) -> Command:
    """Run the program in this process, in an empty folder."""

    def run(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
        return run_here(tmp_path, *args, stdin=stdin, **env)

    return run


@pytest.fixture
def denoise_process(tmp_path: Path) -> Command:
    """Run the program in a process of its own, in the same empty folder.

    It costs the start of an interpreter and the import of torch: for what only a process shows.
    """

    def run(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "denoise_cli", *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, **TERMINAL, **env},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


def load_script(name: str) -> ModuleType:
    """A script of `scripts/` as a module, to run it in this process."""
    path = Path(__file__).parents[1] / "scripts" / f"{name}.py"
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # As when it is run: it may import what lies beside it.
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def write_images(folder: Path, count: int, size: int = 32, seed: int = 0) -> None:
    """Smooth random colour images, different from each other."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for number in range(count):
        coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(
            folder / f"{number:03d}.png"
        )


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """`train/` and `test/` with two classes of 32x32 images."""
    root = tmp_path / "images"
    for split, count in (("train", 12), ("test", 4)):
        for seed, name in enumerate(("airplane", "cat")):
            write_images(root / split / name, count, seed=100 * seed + count)
    return root


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Weight files by (model, batch_norm): random, but with outputs that fill [0, 1]."""
    folder = tmp_path_factory.mktemp("weights")

    def make(model: str, batch_norm: bool = True) -> Path:
        path = folder / f"{model}-{batch_norm}.safetensors"
        if not path.exists():
            classes = CLASSES if DENOISERS[model].classifier else ()
            save_weights(
                path, lively(model, batch_norm), WeightsHeader("denoiser", model, batch_norm, classes)
            )
        return path

    return make


def lively(model: str, batch_norm: bool) -> torch.nn.Module:
    """A denoiser whose random layers keep the signal's size, so that errors would show."""
    torch.manual_seed(0)
    network = build_denoiser(model, batch_norm=batch_norm).eval()
    if isinstance(network, PhotoUNet):
        # Residuals that add up would grow; its own weights keep the size until the last layer.
        assert isinstance(network.last, torch.nn.Conv2d)
        network.last.weight.data.normal_(0, 0.05)
        return network
    for name, parameter in network.state_dict().items():
        if parameter.ndim == 4:
            fan_in = parameter[0].numel() if "upsample" not in name else parameter.shape[0]
            parameter.normal_(0, (2 / fan_in) ** 0.5)
        elif name.endswith("running_mean"):
            parameter.normal_(0, 0.1)
        elif name.endswith("running_var"):
            parameter.uniform_(0.5, 1.5)
    return network


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Run code in a fresh interpreter and return what it prints."""

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
