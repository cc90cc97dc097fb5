"""OpenVINO on the CPU, and on Intel's graphics; torch is never imported."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WINDOW_BYTES, checked, usable_cores
from denoise_cli.weights.header import WeightsHeader
from denoise_cli.weights.shapes import read_fitting

if TYPE_CHECKING:
    from openvino import CompiledModel, Core

_DEVICES = {"auto": "CPU", "cpu": "CPU", "gpu": "GPU"}


class OpenVinoRuntime:
    """Runs the graphs of `OnnxRuntime`, in bfloat16 where the processor multiplies it.

    Against float32, few values of 8 bits differ by more than 1, and those by 2.
    """

    def __init__(self, path: Path, architecture: WeightsHeader, device: str) -> None:
        """Raises `UsageError` where the package or the device is not there."""
        core = _core()
        self._device = _DEVICES.get(device, device)
        if self._device not in {each.partition(".")[0] for each in core.available_devices}:
            raise UsageError(
                f"OpenVINO computes on {' and '.join(core.available_devices)} here, not on {device}.",
                "Leave --device out.",
            )
        a = architecture
        self._architecture = a
        self._tensors = read_fitting(path, a)
        try:
            self._denoiser = self._compiled(denoiser_graph(a.name, self._tensors, a.batch_norm))
        except KeyError as error:
            raise WeightsError(f"{path} does not fit the architecture it names ({a.name}).") from error
        precision = self._denoiser.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.name = f"openvino {self._device.lower()} {precision}"
        self.window = WINDOW_BYTES // DENOISERS[a.name].bytes_per_pixel

    def guidance(self, thumbnail: Array) -> Array:
        a = self._architecture
        model = self._compiled(guidance_graph(a.name, self._tensors, a.batch_norm, a.image_size))
        return _run(model, [thumbnail])

    def run(self, window: Array, guidance: Array | None) -> Array:
        return _run(self._denoiser, [window] if guidance is None else [window, guidance])

    def _compiled(self, graph: bytes) -> CompiledModel:
        core = _core()
        threads = {"INFERENCE_NUM_THREADS": usable_cores()} if self._device == "CPU" else {}
        options = {"PERFORMANCE_HINT": "LATENCY", **threads}
        return core.compile_model(core.read_model(graph), self._device, options)


def _run(model: CompiledModel, inputs: list[Array]) -> Array:
    # The tensor of the result is the request's own, and the next run writes into it.
    result: Array = model(inputs)[0].copy()
    return checked(result)


@cache
def _core() -> Core:
    """OpenVINO, told to send nothing.

    On import, its package for statistics makes an id in the home folder and asks for a host's
    address; without that package OpenVINO does the same work and sends nothing.
    """
    if find_spec("openvino") is None:
        raise UsageError(
            "OpenVINO is not installed.", "Install it: pip install openvino; or leave --runtime out."
        )
    before = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        from openvino import Core
    finally:
        del sys.modules["openvino_telemetry"]
        if before is not None:
            sys.modules["openvino_telemetry"] = before
    return Core()
