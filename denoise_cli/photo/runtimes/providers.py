"""What ONNX Runtime computes on: the CPU, or what else the installed build has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from denoise_cli.errors import UsageError
from denoise_cli.onnx.runtime import ort

CPU = "CPUExecutionProvider"
_NAMES = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# Float32, as on the CPU: some take half of the bits where they may.
_OPTIONS: dict[str, dict[str, Any]] = {
    "cuda": {"use_tf32": "0"},
    "directml": {},
    "coreml": {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
    "openvino": {"precision": "ACCURACY"},
}
_GPUS = ("cuda", "directml", "coreml")
_BUILDS = "onnxruntime-gpu (CUDA), onnxruntime-directml (Windows) or onnxruntime-openvino"


@dataclass(frozen=True, slots=True)
class Provider:
    """What computes.

    Attributes:
        device: `cpu`, or a name of `_NAMES`.
        arguments: For a session: providers, the CPU last.
    """

    device: str
    arguments: list[Any]

    @property
    def name(self) -> str:
        """As ONNX Runtime calls it."""
        return _NAMES.get(self.device, CPU)


def choose_provider(device: str) -> Provider:
    """The provider that a device's name means; `auto` is the CPU, or CUDA where the build has it.

    Raises:
        UsageError: The installed build of ONNX Runtime has none for it.
    """
    available = ort.get_available_providers()
    there = [name for name, provider in _NAMES.items() if provider in available]
    cuda = re.fullmatch(r"cuda(?::(\d+))?", device)
    if device == "auto":
        kind = "cuda" if "cuda" in there else "cpu"
    elif device == "gpu":
        kind = next((name for name in _GPUS if name in there), "")
    else:
        kind = "cuda" if cuda else {"mps": "coreml"}.get(device, device)
    if kind == "cpu":
        return Provider("cpu", [CPU])
    if kind not in there:
        has = " and ".join(["cpu", *there])
        raise UsageError(
            f"The installed ONNX Runtime computes on {has}, not on {device}.",
            f"Leave --device out, or install another build in its place: {_BUILDS}.",
        )
    options = dict(_OPTIONS[kind])
    if cuda and cuda[1]:
        options["device_id"] = cuda[1]
    return Provider(kind, [(_NAMES[kind], options), CPU])
