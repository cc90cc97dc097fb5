"""`--runtime int8`: the inner blocks of the default network in whole numbers of 8 bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import skimage.data
import torch
from onnx.reference import ReferenceEvaluator

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.metrics import psnr
from denoise_cli.onnx.graphs import denoiser_graph
from denoise_cli.onnx.layers import _LARGEST_WEIGHT
from denoise_cli.onnx.runtime import ort
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser
from denoise_cli.weights.files import build, load_weights, save_weights
from denoise_cli.weights.header import STEPS, WeightsHeader, read_header, read_steps
from denoise_cli.weights.store import find_bundled
from denoise_cli.weights.tensors import Array, read_tensors
from tests.conftest import Command, load_script

PATH = find_bundled("photo_unet", batch_norm=False)


@pytest.fixture(scope="module")
def fast() -> PhotoDenoiser:
    return load_photo_denoiser(runtime="int8")


def noisy_and_clean(sigma: float) -> tuple[Array, Array]:
    """A photograph (1, 3, 256, 256) with Gaussian noise of so many 255ths, and without."""
    clean = skimage.data.astronaut()[:256, 100:356].transpose(2, 0, 1)[None] / np.float32(255)
    noise = np.random.default_rng(0).normal(0, sigma / 255, clean.shape)
    return (clean + noise).astype(np.float32), clean


@pytest.mark.parametrize(("sigma", "most"), [(0, 0.5), (5, 0.05), (15, 0.02), (25, 0.02), (50, 0.02)])
def test_is_as_good_as_32_bits(fast: PhotoDenoiser, sigma: float, most: float) -> None:
    noisy, clean = noisy_and_clean(sigma)
    exact = load_photo_denoiser(runtime="onnx").runtime.run(noisy, None)
    found = fast.runtime.run(noisy, None)
    assert not np.array_equal(found, exact)
    scores = [float(psnr(torch.from_numpy(each), torch.from_numpy(clean))) for each in (found, exact)]
    assert scores[1] - scores[0] < most
    differences = np.abs(np.rint(255 * found) - np.rint(255 * exact))
    assert (differences > 1).mean() < 0.01
    assert differences.max() <= 16


def test_computes_what_the_standard_says() -> None:
    """ONNX Runtime on whole numbers, and the reference implementation of ONNX."""
    graph = denoiser_graph("photo_unet", read_tensors(PATH), False, read_steps(PATH))
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    model.opset_import[0].version = 21  # The reference has these operators from there on.
    x = noisy_and_clean(25)[0][..., :24, :16].copy()
    (expected,) = ReferenceEvaluator(model).run(None, {"image": x})
    (found,) = ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"image": x})
    # Values in the middle between two whole numbers may be rounded either way.
    assert np.abs(found - expected).mean() < 1e-3
    assert np.abs(found - expected).max() < 0.02


def test_products_of_weights_fit_into_16_bits() -> None:
    graph = denoiser_graph("photo_unet", read_tensors(PATH), False, read_steps(PATH))
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load_from_string(graph).graph.initializer
        if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 4
    ]
    assert len(weights) == 2 * len([name for name in read_steps(PATH) if name[-1].isdigit()])
    assert max(int(np.abs(weight).max()) for weight in weights) == _LARGEST_WEIGHT
    assert 2 * 255 * _LARGEST_WEIGHT < 2**15


def test_the_steps_are_those_of_the_weights() -> None:
    """They follow from the weights, so new weights need new ones."""
    script = load_script("eight_bits")
    noisy = np.concatenate([noisy_and_clean(sigma)[0] for sigma in (0, 10, 25, 50)])
    found = script.find_steps(load_weights(PATH)[1], torch.from_numpy(noisy))
    stored = read_steps(PATH)
    assert found.keys() == stored.keys()
    ratios = np.array([found[name] / stored[name] for name in stored])
    assert 0.8 < np.median(ratios) < 1.25
    assert ratios.min() > 0.4
    assert ratios.max() < 2.5


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cae-bn\.safetensors is not prepared for 8 bits"):
        load_photo_denoiser("cae", runtime="int8")
    with pytest.raises(UsageError, match="on the CPU, not on cuda"):
        load_photo_denoiser(device="cuda", runtime="int8")


@pytest.mark.parametrize(
    "steps",
    [
        {"middle.0": 0.1},  # and not those of its convolutions
        {"middle.0": float("nan")},
        {"middle.0": 1e-300, "middle.0.first": 0.1, "middle.0.second": 0.1},
        {"middle.0": "a"},
        {"middle.0": True},
    ],
)
def test_damaged_steps_are_refused(steps: dict[str, float], tmp_path: Path) -> None:
    header = WeightsHeader("denoiser", "photo_unet", False)
    save_weights(tmp_path / "w.safetensors", build(header), header, steps=steps)
    with pytest.raises(WeightsError):
        load_photo_denoiser(weights=tmp_path / "w.safetensors", runtime="int8")
    load_photo_denoiser(weights=tmp_path / "w.safetensors", runtime="onnx")


def test_steps_that_are_no_json(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    about = {"denoise": json.dumps({"kind": "denoiser", "name": "photo_unet", "batch_norm": False})}
    for text in ("[", "[]", "3", "[" * 100_000):
        save_file(read_tensors(PATH), tmp_path / "w.safetensors", {**about, STEPS: text})
        assert read_header(tmp_path / "w.safetensors").name == "photo_unet"
        with pytest.raises(WeightsError, match="8 bits"):
            read_steps(tmp_path / "w.safetensors")


def test_a_photo_by_the_command(denoise: Command, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.rint(255 * noisy_and_clean(15)[0][0].transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    done = denoise("denoise-image", "a.png", "--runtime", "int8", "-o", "b.png")
    assert done.returncode == 0, done.stderr
    assert denoise("denoise-image", "a.png", "--runtime", "onnx", "-o", "c.png").returncode == 0
    found, exact = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("b.png", "c.png"))
    assert np.abs(found - pixels).mean() > 3
    assert np.abs(found - exact).mean() < 0.5
    refused = denoise("denoise-image", "a.png", "--runtime", "int8", "--model", "cae", "-o", "d.png")
    assert refused.returncode == 2
    assert "not prepared for 8 bits" in refused.stderr
    assert not (tmp_path / "d.png").exists()
