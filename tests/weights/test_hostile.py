"""Weight files that cannot be used are refused at once, by both runtimes, with the key or the tensor."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from denoise_cli.errors import WeightsError
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.weights.files import build, load_weights, save_weights
from denoise_cli.weights.header import KEY, WeightsHeader, read_header
from denoise_cli.weights.shapes import read_fitting
from tests.conftest import Command, Weights

State = dict[str, torch.Tensor]
CAE = asdict(WeightsHeader("denoiser", "cae", True, noise="basic"))
GUIDED = asdict(WeightsHeader("denoiser", "cnn_unet", True, ("cat", "dog"), 32))


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return build(WeightsHeader("denoiser", "cae", True)).state_dict()


def refusal(path: Path) -> str:
    """What PyTorch's way and the way without torch say, which is the same."""
    texts = []
    for read in (load_weights, lambda path: read_fitting(path, read_header(path))):
        with pytest.raises(WeightsError) as caught:
            read(path)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def _with(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[State], State]:
    return lambda state: {**state, name: change(state[name])}


def _first(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.flatten()[0] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with("last.weight", _first(float("nan"))), "The tensor last.weight of"),
        (_with("last.bias", _first(float("-inf"))), "not finite"),
        (_with("last.bias", lambda t: t.double() + 1e300), "not finite"),
        (_with("encoder.0.1.running_var", _first(-0.5)), "a variance below 0"),
        (
            _with("last.weight", lambda t: t[:, :1].clone()),
            "last.weight has the shape 16×1×3×3, not",
        ),
        (_with("last.bias", lambda t: t[None].clone()), "last.bias has the shape 1×3, not 3"),
        (_with("last.bias", lambda t: t[0].clone()), "last.bias has the shape of one number, not 3"),
        (_with("last.bias", lambda t: t.to(torch.float8_e4m3fn)), "numbers of type F8_E4M3"),
        (lambda state: {k: v for k, v in state.items() if k != "last.bias"}, "it has no tensor last.bias"),
        (lambda state: {**state, "more.bias": torch.zeros(1)}, "a tensor more.bias, which the network lacks"),
        (lambda state: {f"module.{k}": v for k, v in state.items()}, "tensors are called module."),
    ],
)
def test_tensors_that_are_not_the_networks(
    tmp_path: Path, state: State, change: Callable[[State], State], said: str
) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, change(state), WeightsHeader("denoiser", "cae", True))
    text = refusal(path)
    assert said in text and str(path) in text


def test_bfloat16_is_read(tmp_path: Path, state: State) -> None:
    path = tmp_path / "w.safetensors"
    stored = {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}
    save_file(stored, path, {KEY: json.dumps(CAE)})
    loaded = load_weights(path)[1].state_dict()
    tensors = read_fitting(path, read_header(path))
    for name, value in stored.items():
        assert loaded[name].dtype is (torch.float32 if value.is_floating_point() else torch.int64)
        assert torch.equal(loaded[name], value.float() if value.is_floating_point() else value)
        np.testing.assert_array_equal(tensors[name], loaded[name].numpy())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "upscaler"}, "`kind` is 'upscaler', not denoiser or classifier"),
        ({"kind": None}, "`kind` is None"),
        ({"name": ["cae"]}, "`name` is ['cae'], not a short text"),
        ({"name": {"a": {"b": 1}}}, "`name` is {"),
        ({"batch_norm": "yes"}, "`batch_norm` is 'yes', not true or false"),
        ({"classes": "cat"}, "`classes` is 'cat', not a list"),
        ({"classes": ["cat", "cat"]}, "a list of different names"),
        ({"classes": [1, 2]}, "a list of different names"),
        ({"classes": []}, "`classes` names none"),
        ({"image_size": "96"}, "`image_size` is '96', not a multiple of 8 from 8 to 4096"),
        ({"image_size": 0}, "`image_size` is 0"),
        ({"image_size": True}, "`image_size` is True"),
        ({"image_size": 10**9}, "`image_size` is 1000000000"),
        ({"image_size": 4096}, "has the shape"),
        ({"noise": 5}, "`noise` is 5, not a short text"),
        ({"noise": "x" * 5000}, "`noise` is 'xxx"),
        ({"guidance": "magic"}, "`guidance` is 'magic', not zero, predicted"),
        ({"injection": {}}, "`injection` is {}, not concat or film"),
        ({"from_the_future": 1}, "unknown key 'from_the_future'"),
    ],
)
def test_headers_that_are_not_an_architectures(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {KEY: json.dumps(GUIDED | changes)})
    if said != "has the shape":
        assert said in refusal(path)
        return
    guided = WeightsHeader(**{**GUIDED, "classes": ("cat", "dog")})
    save_file(build(guided).state_dict(), path, {KEY: json.dumps(GUIDED | changes)})
    assert said in refusal(path)


def test_a_million_classes_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for count in (600_000, 10_000):
        header = GUIDED | {"classes": [str(number) for number in range(count)], "image_size": 4096}
        save_file({"classifier.linear.bias": torch.zeros(2)}, path, {KEY: json.dumps(header)})
        tracemalloc.start()
        text = refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
        tracemalloc.stop()
        assert "characters" in text or "classes" in text or "tensor" in text


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[]", "7", "9" * 5000, '"cae"', "\ud83d"])
def test_headers_that_are_no_object(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {KEY: text.encode("utf-8", "replace").decode()})
    with pytest.raises(WeightsError, match="does not know"):
        read_header(path)


def test_weights_that_are_finite_and_too_large(tmp_path: Path, state: State) -> None:
    """Every number is sound, but what is computed with them is not: no picture is written."""
    path = tmp_path / "w.safetensors"
    save_weights(
        path,
        {k: v * 3e37 if v.dim() == 4 else v for k, v in state.items()},
        WeightsHeader("denoiser", "cae", True),
    )
    for runtime in ("onnx", "torch"):
        loaded = load_photo_denoiser(weights=path, device="cpu", runtime=runtime)
        with pytest.raises(WeightsError, match="not finite"):
            loaded.runtime.run(np.full((1, 3, 32, 32), 0.5, np.float32), None)


def test_the_command_says_it_in_one_sentence(denoise: Command, weights: Weights, tmp_path: Path) -> None:
    good = load_file(weights("unet", True))
    good["last.weight"] = good["last.weight"][:1].clone()
    save_weights(tmp_path / "cut.safetensors", good, WeightsHeader("denoiser", "unet", True))
    (tmp_path / "a.png").write_bytes(b"")
    done = denoise("denoise-image", "a.png", "--weights", "cut.safetensors")
    assert done.returncode == 1
    assert "last.weight has the shape 1×" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a.denoised.png").exists()


def test_other_classes_and_sizes_than_the_bundled_ones_fit(tmp_path: Path) -> None:
    for architecture in (
        WeightsHeader("classifier", "cnn", True, ("cat", "dog"), 64),
        WeightsHeader("denoiser", "resnet_unet", False, ("cat", "dog"), 32),
        WeightsHeader(
            "denoiser", "cnn_unet", True, ("cat", "dog"), 40, guidance="features", injection="film"
        ),
    ):
        path = tmp_path / "w.safetensors"
        save_weights(path, build(architecture), architecture)
        assert read_fitting(path, architecture).keys()
