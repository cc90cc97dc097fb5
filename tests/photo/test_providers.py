"""What ONNX Runtime computes on: with another build of it, and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data

import denoise_cli
from denoise_cli.errors import UsageError
from denoise_cli.onnx.runtime import ort
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.photo.runtimes.providers import CPU, choose_provider
from tests.conftest import Command

EXAMPLE = Path(__file__).parents[2] / "examples/photo.jpg"
OTHERS = {
    name: device
    for name, device in {
        "CUDAExecutionProvider": "cuda",
        "DmlExecutionProvider": "directml",
        "CoreMLExecutionProvider": "coreml",
        "OpenVINOExecutionProvider": "openvino",
    }.items()
    if name in ort.get_available_providers()
}


@pytest.mark.skipif(not OTHERS, reason="this ONNX Runtime computes on the CPU alone")
@pytest.mark.parametrize("device", OTHERS.values())
@pytest.mark.parametrize("model", ["photo_unet", "cnn_unet", "cae"])
def test_it_agrees_with_the_cpu(model: str, device: str) -> None:
    picture = skimage.data.astronaut()[:256, :320]
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    there = load_photo_denoiser(model, device=device, runtime="onnx")
    assert there.runtime.name == f"onnx {device}"
    clean, reference = (
        denoise_cli.denoise(noisy, each).astype(int)
        for each in (there, load_photo_denoiser(model, device="cpu", runtime="onnx"))
    )
    assert np.abs(clean - reference).max() <= 1


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "directml", "coreml", "openvino"])
def test_what_the_build_lacks_is_said(device: str, denoise: Command, tmp_path: Path) -> None:
    if {"mps": "coreml"}.get(device, device.partition(":")[0]) in OTHERS.values():
        pytest.skip("this ONNX Runtime has it")
    with pytest.raises(UsageError, match=f"not on {device}"):
        choose_provider(device)
    done = denoise("denoise-image", EXAMPLE, "--runtime", "onnx", "--device", device, "-o", "x.jpg")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: The installed ONNX Runtime computes on cpu")
    assert "onnxruntime-gpu" in done.stderr
    assert not (tmp_path / "x.jpg").exists()


def test_the_cpu_is_always_there() -> None:
    assert choose_provider("cpu").arguments == [CPU]
    assert load_photo_denoiser("cae", device="cpu").runtime.name.startswith(("onnx cpu", "openvino cpu"))


def test_networks_are_not_trained_on_them(denoise: Command, tmp_path: Path) -> None:
    done = denoise("train", "cae", "--dataset", "sample", "--device", "coreml", "--steps", "1")
    assert done.returncode == 2
    assert "Unknown device 'coreml'" in done.stderr
    assert not (tmp_path / "runs").exists()
