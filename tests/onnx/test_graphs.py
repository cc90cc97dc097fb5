"""The ONNX graphs compute what the torch modules compute, for every model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from denoise_cli.models.photo_unet.network import PhotoUNet
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.onnx.runtime import ort as onnxruntime
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.tensors import read_tensors
from tests.conftest import Weights

BOTH = pytest.mark.parametrize("batch_norm", [True, False])
ALL = pytest.mark.parametrize("name", list(DENOISERS))


@ALL
@BOTH
def test_equals_torch(name: str, batch_norm: bool, weights: Weights) -> None:
    path = weights(name, batch_norm)
    model: Any = load_weights(path)[1]
    runtime = load_photo_denoiser(weights=path, runtime="onnx").runtime
    rng = np.random.default_rng(0)
    x = rng.random((1, 3, 48, 80), np.float32)
    guidance = None
    with torch.inference_mode():
        if DENOISERS[name].classifier:
            thumbnail = rng.random((1, 3, 96, 96), np.float32)
            guidance = model.guidance(torch.from_numpy(thumbnail)).numpy()
            assert np.abs(runtime.guidance(thumbnail) - guidance).max() < 1e-4 * max(
                1, np.abs(guidance).max()
            )
            guidance = guidance[..., :6, :10].copy()
            expected = model(torch.from_numpy(x), torch.from_numpy(guidance)).numpy()
        else:
            expected = model(torch.from_numpy(x)).numpy()
    assert expected.std() > 0.01  # a constant picture would hide errors
    assert np.abs(runtime.run(x, guidance) - expected).max() < 1e-4


@ALL
def test_is_valid_onnx(name: str, weights: Weights) -> None:
    tensors = read_tensors(weights(name, True))
    onnx.checker.check_model(onnx.load_from_string(denoiser_graph(name, tensors, True)), full_check=True)
    if DENOISERS[name].classifier:
        graph = onnx.load_from_string(guidance_graph(name, tensors, True, 96))
        onnx.checker.check_model(graph, full_check=True)


def test_default_on_a_cpu_without_torch(
    weights: Weights, run_python: Callable[[str], str], tmp_path: Path
) -> None:
    code = (
        "import sys, numpy as np\n"
        "from denoise_cli import denoise, load_model\n"
        f"model = load_model(weights={str(weights('cnn_unet', True))!r}, device='cpu')\n"
        "assert model.runtime.name.startswith(('onnx cpu', 'openvino cpu'))\n"
        "denoise(np.zeros((40, 40, 3), np.uint8), model)\n"
        "heavy = {'torch', 'skimage', 'scipy', 'pydantic', 'typer', 'onnx', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    assert run_python(code).strip() == "[]"


def test_weights_of_another_shape_are_refused(weights: Weights, tmp_path: Path) -> None:
    from denoise_cli.errors import WeightsError
    from denoise_cli.weights.files import save_weights
    from denoise_cli.weights.header import WeightsHeader

    path = tmp_path / "w.safetensors"
    save_weights(path, load_weights(weights("cae", True))[1], WeightsHeader("denoiser", "unet", True))
    with pytest.raises(WeightsError, match="does not fit"):
        load_photo_denoiser(weights=Path(path), runtime="onnx")


@pytest.mark.parametrize("size", [(8, 8), (24, 120)])
def test_photo_unet_equals_torch_at_any_depth(size: Any) -> None:
    torch.manual_seed(0)
    model = PhotoUNet(widths=(8, 12, 16), blocks=(2, 1, 3)).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.normal_(model.last.weight, std=0.1)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    session = onnxruntime.InferenceSession(denoiser_graph("photo_unet", tensors, False))
    x = torch.rand(1, 3, *size) * 1.4 - 0.2
    with torch.inference_mode():
        expected = model(x).numpy()
    assert np.abs(expected - x.numpy()).mean() > 0.05
    assert np.abs(session.run(None, {"image": x.numpy()})[0] - expected).max() < 1e-5
