"""What several rooms' tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Tiny tensors gain nothing from more threads, and barriers cost much on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Command = Callable[..., subprocess.CompletedProcess[str]]


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
