"""`export` writes one file that computes what the model computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from denoise_cli.errors import OutputExists
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.export import export_onnx
from denoise_cli.onnx.runtime import ort
from denoise_cli.weights.files import load_weights
from tests.conftest import Weights


@pytest.mark.parametrize("name", list(DENOISERS))
def test_equals_the_model_at_any_size(name: str, weights: Weights, tmp_path: Path) -> None:
    path = weights(name, True)
    export_onnx(path, tmp_path / "m.onnx", overwrite=False)
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    session = ort.InferenceSession(tmp_path / "m.onnx")
    assert session.get_modelmeta().custom_metadata_map.keys() == {"denoise"}
    model = load_weights(path)[1]
    for size in ((48, 64), (75, 101), (240, 150)):
        x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = model(x).numpy()
        assert np.abs(session.run(None, {"image": x.numpy()})[0] - expected).max() < 1e-4


def test_does_not_overwrite(weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    with pytest.raises(OutputExists):
        export_onnx(weights("cae", True), tmp_path / "m.onnx", overwrite=False)
