"""A denoiser that changes nothing, and weight files with random weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from denoise_cli.models import build_denoiser
from denoise_cli.models.registry import DENOISERS
from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.runtime import Array
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import Architecture

CLASSES = tuple("abcdefghij")


class IdentityRuntime:
    name = "identity"
    window = 64 * 64

    def guidance(self, thumbnail: Array) -> Array:
        raise AssertionError("a plain model has no guidance")

    def run(self, window: Array, guidance: Array | None) -> Array:
        return window.copy()


@pytest.fixture
def identity() -> Denoiser:
    return Denoiser(Architecture("denoiser", "cae", True), IdentityRuntime())


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
