"""What several rooms' tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.models import build_denoiser
from denoise_cli.models.registry import DENOISERS
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import Architecture

# Tiny tensors gain nothing from more threads, and barriers cost much on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Command = Callable[..., subprocess.CompletedProcess[str]]
CLASSES = tuple("abcdefghij")


@pytest.fixture
def denoise(tmp_path: Path) -> Command:
    """Run the program in a process of its own, in an empty folder."""

    def run(*args: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "denoise_cli", *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


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
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Path]:
    """Weight files by (model, batch_norm): random, but with outputs that fill [0, 1]."""
    folder = tmp_path_factory.mktemp("weights")

    def make(model: str, batch_norm: bool = True) -> Path:
        path = folder / f"{model}-{batch_norm}.safetensors"
        if not path.exists():
            classes = CLASSES if DENOISERS[model].classifier else ()
            save_weights(
                path, lively(model, batch_norm), Architecture("denoiser", model, batch_norm, classes)
            )
        return path

    return make


def lively(model: str, batch_norm: bool) -> torch.nn.Module:
    """A denoiser whose random layers keep the signal's size, so that errors would show."""
    torch.manual_seed(0)
    network = build_denoiser(model, batch_norm=batch_norm).eval()
    if model == "photo_unet":
        # Residuals that add up would grow; its own weights keep the size until the last layer.
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
