"""OpenVINO on the CPU, and on Intel's graphics; torch is never imported."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WINDOW_BYTES, checked, usable_cores
from denoise_cli.weights.header import WeightsHeader
from denoise_cli.weights.shapes import read_fitting

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, Model, Node

_DEVICES = {"auto": "CPU", "cpu": "CPU", "gpu": "GPU"}
_CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData"}


class OpenVinoRuntime:
    """Runs the graphs of `OnnxRuntime`, on the CPU in bfloat16 where that is exact enough.

    The processor must multiply it, and the model's entry allow it (`ModelInfo.bfloat16`).
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
            graph = denoiser_graph(a.name, self._tensors, a.batch_norm)
            self._denoiser = self._compiled(graph, bfloat16=DENOISERS[a.name].bfloat16)
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

    def _compiled(self, graph: bytes, bfloat16: bool = False) -> CompiledModel:
        core = _core()
        options: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
        model = core.read_model(graph)
        if self._device == "CPU":
            options["INFERENCE_NUM_THREADS"] = usable_cores()
            options["INFERENCE_PRECISION_HINT"] = "f32"
            if bfloat16 and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                # Without room in the temporary folder all of it is computed in float32.
                with suppress(OSError, RuntimeError, ET.ParseError):
                    model = _with_float32(model, _delicate(model))
                    options["INFERENCE_PRECISION_HINT"] = "bf16"
        return core.compile_model(model, self._device, options)


def _delicate(model: Model) -> set[str]:
    """The layers that must stay in float32 for the rest to be good enough in bfloat16.

    The sums of branches hold the picture itself, the first convolution reads it and the last makes
    it: 8 bits of mantissa there are 8 bits of the picture. It costs 15 % of the time, and the error
    is a third (`benchmarks/precision.py`).
    """
    layers: list[Node] = model.get_ordered_ops()
    convolutions = [node.get_friendly_name() for node in layers if node.get_type_name() in _CONVOLUTIONS]
    sums = {node.get_friendly_name() for node in layers if node.get_type_name() == "Add"}
    return {convolutions[0], convolutions[-1]} | sums


def _with_float32(model: Model, layers: set[str]) -> Model:
    """The model with these layers marked to be computed in float32 whatever the rest is.

    The mark, `precise`, can only be read from OpenVINO's own format, so the model goes through it.
    """
    import openvino

    with TemporaryDirectory(prefix="denoise-") as folder:
        description, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
        openvino.serialize(model, str(description), str(weights))
        net = ET.fromstring(description.read_bytes())
        for layer in net.iter("layer"):
            if layer.get("name") in layers:
                facts = layer.find("rt_info")
                if facts is None:
                    facts = ET.Element("rt_info")
                    # Its place is behind the attributes of the layer.
                    layer.insert(0 if layer.find("data") is None else 1, facts)
                ET.SubElement(facts, "attribute", name="precise", version="0")
        return _core().read_model(ET.tostring(net), weights.read_bytes())


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
