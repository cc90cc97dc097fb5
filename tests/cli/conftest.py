"""What tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from denoise_cli.models import build_denoiser
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import WeightsHeader


@pytest.fixture(scope="module")
def cae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the smallest model, random."""
    torch.manual_seed(0)
    path: Path = tmp_path_factory.mktemp("weights") / "cae.safetensors"
    save_weights(path, build_denoiser("cae"), WeightsHeader("denoiser", "cae", True))
    return path
