"""The package for darktable: its layout, and its network on darktable's tiles."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from denoise_cli.errors import WeightsError
from denoise_cli.onnx.darktable import OVERLAP, TILE, export_darktable
from denoise_cli.onnx.runtime import ort
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import find_bundled
from tests.conftest import Command, Weights


@pytest.mark.slow
def test_layout_and_tiles(tmp_path: Path) -> None:
    """Tiles put together as darktable does it are the whole picture, to half of an 8-bit step."""
    weights = find_bundled("photo_unet", True)
    export_darktable(weights, tmp_path / "m.dtmodel", overwrite=False)
    with zipfile.ZipFile(tmp_path / "m.dtmodel") as package:
        assert package.namelist() == ["denoise-photo-unet/config.json", "denoise-photo-unet/model.onnx"]
        manifest = json.loads(package.read("denoise-photo-unet/config.json"))
        session = ort.InferenceSession(package.read("denoise-photo-unet/model.onnx"))
    # What darktable asks of a manifest.
    assert {key: manifest[key] for key in ("id", "task", "backend", "num_inputs")} == {
        "id": "denoise-photo-unet",
        "task": "denoise",
        "backend": "onnx",
        "num_inputs": 1,
    }
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert (image.name, output.name, image.type) == ("input", "output", "tensor(float)")
    step = TILE - 2 * OVERLAP
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 20, 30, generator=generator)
    clean = torch.nn.functional.interpolate(coarse, (step, 2 * step), mode="bicubic").clamp(0, 1)
    noisy = clean + 0.05 * torch.randn(clean.shape, generator=generator)
    with torch.inference_mode():
        whole = load_weights(weights)[1](noisy).numpy()
    mirrored = np.pad(noisy.numpy(), ((0, 0), (0, 0), (OVERLAP, OVERLAP), (OVERLAP, OVERLAP)), mode="reflect")
    inner = (..., slice(OVERLAP, -OVERLAP), slice(OVERLAP, -OVERLAP))
    tiles = [mirrored[..., left : left + TILE] for left in (0, step)]
    joined = np.concatenate([session.run(None, {"input": tile})[0][inner] for tile in tiles], -1)
    # At its edges a whole picture ends, where a tile goes on mirrored.
    assert np.abs(joined - whole)[inner].max() < 0.5 / 255


def test_same_weights_make_the_same_file(weights: Weights, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_darktable(weights("cnn", False), tmp_path / name, overwrite=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as package:
        assert package.namelist()[0] == "denoise-cnn-without-batch-norm/config.json"


@pytest.mark.parametrize("name", ["unet", "cnn_unet"])
def test_networks_that_see_more_than_a_tile_are_refused(name: str, weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="tiles would not fit together"):
        export_darktable(weights(name, True), tmp_path / "m", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_on_the_command_line(denoise: Command, tmp_path: Path) -> None:
    assert denoise("export", "cae", "--format", "darktable").returncode == 0
    assert denoise("export", "cae", "-o", "mine.dtmodel").returncode == 0
    assert (tmp_path / "cae.dtmodel").read_bytes() == (tmp_path / "mine.dtmodel").read_bytes()
    for arguments, text in (
        (("--format", "onnx", "-o", "x.dtmodel"), "does not fit the file name"),
        (("--format", "tflite"), "Unknown format"),
        (("-o", "mine.dtmodel"), "exists already"),
    ):
        refused = denoise("export", "cae", *arguments)
        assert refused.returncode in {1, 2}
        assert text in refused.stderr
