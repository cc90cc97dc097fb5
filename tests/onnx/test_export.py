"""`export` writes one file that computes what the model computes."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from denoise_cli.errors import OutputExists, UsageError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx import difference
from denoise_cli.onnx.difference import difference_from_torch
from denoise_cli.onnx.export import export_onnx
from denoise_cli.onnx.protobuf import OPSETS
from denoise_cli.onnx.runtime import ort
from denoise_cli.weights.card import read_card
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import find_weights
from tests.conftest import Command, Weights


@pytest.mark.parametrize("name", list(DENOISERS))
def test_equals_the_model_at_any_size(name: str, weights: Weights, tmp_path: Path) -> None:
    path = weights(name, True)
    export_onnx(path, tmp_path / "m.onnx", overwrite=False)
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    session = ort.InferenceSession(tmp_path / "m.onnx")
    model = load_weights(path)[1]
    # Several pictures at once, sizes that must be padded, and sides too short to be mirrored.
    for size in ((1, 48, 64), (3, 75, 101), (1, 240, 150), (2, 7, 5), (1, 1, 1), (1, 3, 64)):
        x = torch.rand(size[0], 3, *size[1:], generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = model(x).numpy()
        assert np.abs(session.run(None, {"image": x.numpy()})[0] - expected).max() < 1e-4


@pytest.mark.parametrize("opset", OPSETS)
def test_operator_sets(opset: int, weights: Weights, tmp_path: Path) -> None:
    """A guided network has all operators that there are."""
    path = weights("resnet_unet", True)
    export_onnx(path, tmp_path / "m.onnx", overwrite=False, opset=opset)
    model = onnx.load(tmp_path / "m.onnx")
    assert [entry.version for entry in model.opset_import] == [opset]
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(tmp_path / "m.onnx")
    x = torch.rand(1, 3, 45, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = load_weights(path)[1](x).numpy()
    assert np.abs(session.run(None, {"image": x.numpy()})[0] - expected).max() < 1e-4


@pytest.mark.parametrize("opset", [OPSETS.start - 1, OPSETS.stop, -1])
def test_operator_sets_that_are_not_written(opset: int, weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"operator set {opset}"):
        export_onnx(weights("cae", True), tmp_path / "m.onnx", overwrite=False, opset=opset)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["unet-bn", "photo_unet"])
def test_half_is_half_the_size_and_rounds_weights_alone(name: str, tmp_path: Path) -> None:
    path = find_weights(name)
    export_onnx(path, tmp_path / "whole.onnx", overwrite=False)
    export_onnx(path, tmp_path / "half.onnx", overwrite=False, half=True)
    onnx.checker.check_model(onnx.load(tmp_path / "half.onnx"), full_check=True)
    sizes = [(tmp_path / f"{kind}.onnx").stat().st_size for kind in ("whole", "half")]
    assert sizes[1] < 0.52 * sizes[0]
    x = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    whole, half = (
        ort.InferenceSession(tmp_path / f"{kind}.onnx").run(None, {"image": x})[0]
        for kind in ("whole", "half")
    )
    assert np.abs(whole - half).max() < 2e-3


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = find_weights("unet-bn")
    done = export_onnx(path, tmp_path / "m.onnx", overwrite=False)
    model = onnx.load(tmp_path / "m.onnx")
    about = {entry.key: entry.value for entry in model.metadata_props}
    card = read_card(path.with_suffix(".json"))
    assert (model.producer_name, model.producer_version) == ("denoise", version("denoise-cli"))
    assert about["weights_sha256"] == card.sha256
    assert (about["noise"], about["licence"]) == (card.noise, card.licence)
    assert json.loads(about["scores"])[0]["psnr"] == card.scores[0].psnr
    assert json.loads(about["denoise"])["name"] == "unet"
    assert done.difference is not None
    assert float(about["largest_difference_from_torch"]) == pytest.approx(done.difference, rel=0.01)
    assert done.difference < 1e-4


def test_the_difference_is_measured(weights: Weights, tmp_path: Path) -> None:
    """That from the weights of another network is no rounding error."""
    export_onnx(weights("cae", True), tmp_path / "m.onnx", overwrite=False)
    data = (tmp_path / "m.onnx").read_bytes()
    assert difference_from_torch(weights("cae", True), data) < 1e-4  # type: ignore[operator]
    assert difference_from_torch(find_weights("cae-bn"), data) > 1e-2  # type: ignore[operator]


def test_without_torch_it_is_not_measured(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(difference, "find_spec", lambda name: None)
    done = export_onnx(weights("cae", True), tmp_path / "m.onnx", overwrite=False)
    assert done.difference is None
    assert "largest_difference_from_torch" not in {
        entry.key for entry in onnx.load(tmp_path / "m.onnx").metadata_props
    }


def test_options_of_onnx_alone(denoise: Command, tmp_path: Path) -> None:
    for kind in ("hub", "darktable"):
        done = denoise("export", "photo_unet", "--format", kind, "--half")
        assert done.returncode == 2
        assert f"--half has no effect with --format {kind}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_does_not_overwrite(weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    with pytest.raises(OutputExists):
        export_onnx(weights("cae", True), tmp_path / "m.onnx", overwrite=False)
