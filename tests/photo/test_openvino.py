"""The OpenVINO runtime against ONNX Runtime, and what it says where it is not there."""

from __future__ import annotations

import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from denoise_cli.errors import UsageError
from denoise_cli.onnx.graphs import denoiser_graph
from denoise_cli.photo.runtimes import load
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.weights.header import read_header
from denoise_cli.weights.shapes import read_fitting
from denoise_cli.weights.store import list_bundled
from tests.conftest import Command
from tests.onnx.test_telemetry import CLI, EXAMPLE, run

installed = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


@installed
@pytest.mark.parametrize("weights", [entry.name for entry in list_bundled()])
def test_it_agrees_with_onnx_runtime(weights: str) -> None:
    """In bfloat16, too, where a model is allowed that: each value of 8 bits within 1."""
    fast = load_photo_denoiser(weights=weights, runtime="openvino")
    exact = load_photo_denoiser(weights=weights, runtime="onnx")
    clean = skimage.data.astronaut()[:256, :320].transpose(2, 0, 1)[None]
    noise = np.random.default_rng(0).normal(0, 15, clean.shape)
    window = ((clean + noise) / 255).clip(0, 1).astype(np.float32)
    guidance = None
    if fast.guided:
        side = fast.architecture.image_size
        thumbnail = np.ascontiguousarray(window[..., :side, :side])
        guidance = exact.runtime.guidance(thumbnail)
        ours = fast.runtime.guidance(thumbnail)
        np.testing.assert_allclose(ours, guidance, atol=0.05 * np.abs(guidance).max())
        guidance = np.resize(guidance, (1, 32, 256 // 8, 320 // 8))
    ours, reference = (each.runtime.run(window, guidance) for each in (fast, exact))
    difference = np.abs(np.rint(ours * 255) - np.rint(reference * 255))
    assert difference.max() <= 1
    assert np.square(ours - reference).mean() < 10**-6


@installed
def test_only_models_that_bear_it_compute_in_bfloat16() -> None:
    names = {
        model: load_photo_denoiser(model, runtime="openvino").runtime.name for model in ("photo_unet", "cae")
    }
    from denoise_cli.photo.runtimes.openvino_runtime import _core

    native = "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    assert names == {"photo_unet": f"openvino cpu {native}", "cae": "openvino cpu f32"}


@installed
def test_the_layers_that_hold_the_picture_stay_in_float32() -> None:
    """The mark reaches OpenVINO's own model: sums, first and last convolution, and no other."""
    from denoise_cli.photo.runtimes.openvino_runtime import _core, _delicate, _with_float32

    path = next(entry.path for entry in list_bundled() if entry.name == "photo_unet")
    graph = denoiser_graph("photo_unet", read_fitting(path, read_header(path)), batch_norm=False)
    model = _core().read_model(graph)
    chosen = _delicate(model)
    nodes = _with_float32(model, chosen).get_ordered_ops()
    marked = [node for node in nodes if any("precis" in key.lower() for key in node.get_rt_info())]
    assert {node.get_friendly_name() for node in marked} == chosen
    kinds = Counter(node.get_type_name() for node in marked)
    assert kinds["Convolution"] == 2 and set(kinds) == {"Convolution", "Add"}


@installed
def test_windows_of_many_sizes_leave_earlier_results_alone() -> None:
    denoiser = load_photo_denoiser("cae", runtime="openvino")
    generator = np.random.default_rng(0)
    windows = [generator.random((1, 3, side, 48), np.float32) for side in (16, 64, 32)]
    results = [denoiser.runtime.run(window, None) for window in windows]
    for window, result in zip(windows, results, strict=True):
        assert result.shape == window.shape
        np.testing.assert_array_equal(denoiser.runtime.run(window, None), result)


@installed
def test_a_photo_is_cleaned_and_nothing_is_sent(tmp_path: Path) -> None:
    """No file is left in the home, cache and temporary folders; no other runtime is imported."""
    args = ("denoise-image", str(EXAMPLE), "--runtime", "openvino", "-o", "clean.png")
    program = (
        f"import sys\ntry:\n    {CLI}\nfinally:\n    assert not {{'torch', 'onnxruntime'}} & set(sys.modules)"
    )
    program = program.replace("; main()", "\n    main()")
    run(tmp_path, program, *args)
    assert (tmp_path / "clean.png").is_file()


@installed
def test_it_is_the_one_that_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_wants_torch", lambda device: False)
    assert load_photo_denoiser("cae").runtime.name.startswith("openvino cpu ")
    assert load_photo_denoiser("cae", runtime="onnx").runtime.name == "onnx cpu"


@installed
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"OpenVINO computes on .* here, not on mps"):
        load_photo_denoiser("cae", runtime="openvino", device="mps")


def test_without_the_package(denoise: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = [name for name in sys.modules if name.partition(".")[0] == "openvino"]
    for name in hidden:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("denoise_cli.photo.runtimes.openvino_runtime.find_spec", lambda name: None)
    from denoise_cli.photo.runtimes.openvino_runtime import _core

    _core.cache_clear()
    done = denoise("denoise-image", EXAMPLE, "--runtime", "openvino", "-o", "clean.png")
    assert done.returncode == 2
    assert "OpenVINO is not installed." in done.stderr
    assert "pip install openvino" in done.stderr.replace("\n", " ")
