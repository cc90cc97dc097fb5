"""Load a denoiser for photos: weights and runtime."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Literal

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import DEFAULT_MODEL, DENOISERS, denoiser_info
from denoise_cli.onnx.graphs import why_no_graph
from denoise_cli.photo.runtimes.base import Runtime
from denoise_cli.weights.header import (
    WeightsHeader,
    check_batch_norm,
    is_ours,
    read_header,
    reject_external_guidance,
)
from denoise_cli.weights.store import find_bundled, find_weights, names_weights

RuntimeName = Literal["auto", "onnx", "int8", "openvino", "torch"]


class PhotoDenoiser:
    """A denoiser ready to clean photos.

    Attributes:
        architecture: From the header of its weight file.
        info: The registry's entry; of a network of another program, what was measured.
        runtime: Runs the network.
        lock: Held while computing, so that photos done at the same time share the memory.
        fits: Pixels of the largest window that the device has memory for, as far as is known.

    It pickles as the name of its weight file and how it was loaded, and is loaded again from there;
    one of another runtime than ours does not (`TypeError`).
    """

    def __init__(
        self,
        architecture: WeightsHeader,
        runtime: Runtime,
        loaded: Mapping[str, str] | None = None,
        info: ModelInfo | None = None,
    ) -> None:
        """`loaded`: The arguments with which `load_photo_denoiser` loads it again."""
        self._loaded = loaded
        self.architecture = architecture
        self.info: ModelInfo = info or DENOISERS[architecture.name]
        self.runtime = runtime
        self.lock = Lock()
        self.fits = sys.maxsize

    def __reduce__(self) -> tuple[Callable[[], PhotoDenoiser], tuple[()]]:
        if self._loaded is None:
            raise TypeError(
                f"A denoiser that runs on {self.runtime.name} cannot be pickled: "
                "make it in each process instead."
            )
        return partial(load_photo_denoiser, **self._loaded), ()  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<PhotoDenoiser {self.info.name} on {self.runtime.name}>"

    @property
    def guided(self) -> bool:
        return self.info.classifier is not None

    @property
    def takes_level(self) -> bool:
        """Whether `runtime.run` gets the noise level as its guidance."""
        return bool(getattr(self.runtime, "takes_level", False))


def load_photo_denoiser(
    model: str | Path | None = None,
    *,
    batch_norm: bool | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    runtime: RuntimeName = "auto",
) -> PhotoDenoiser:
    """Load a denoiser.

    Args:
        model: Architecture whose bundled weights are taken (default: the best bundled), or what
            `weights` takes.
        batch_norm: The setting of the weights (default: of bundled ones with batch norm).
        weights: A weight file or run folder instead of bundled weights, or a network of another
            program: `FILE.onnx`, published weights, or `package.module:factory`.
        device: auto, cpu, gpu, cuda, cuda:N or mps; of ONNX Runtime also directml, coreml and openvino.
        runtime: `onnx` (does not import torch; the CPU, and what else its installed build has), `int8`
            (the same on the CPU, partly in 8 bits, of weights that are prepared for it), `openvino`
            (CPU, and Intel's graphics as `gpu`), `torch`, or `auto`: OpenVINO where it is installed,
            else ONNX Runtime, unless the computer has, or the user names, another device than the CPU.

    Raises:
        UnknownName: There is no such model.
        WeightsError: The weights are missing or damaged.
        UsageError: They are of another model or setting than is asked for, or the runtime cannot use
            the device, or has no graph of the model.
    """
    if weights is None and model is not None and names_weights(str(model)):
        model, weights = None, model
    model = None if model is None else str(model)
    if weights is not None and _is_external(str(weights)):
        return _load_external(str(weights), model, device, runtime)
    path = find_denoiser(model, batch_norm, weights)
    architecture = read_header(path)
    if runtime == "auto":
        runtime = _fastest(device, architecture)
    loaded = {"weights": str(path.resolve()), "device": device, "runtime": runtime}
    if runtime != "torch" and (lacking := why_no_graph(architecture)):
        raise UsageError(f"There is no ONNX graph of {lacking}.", "Use --runtime torch.")
    if runtime == "openvino":
        from denoise_cli.photo.runtimes.openvino_runtime import OpenVinoRuntime

        return PhotoDenoiser(architecture, OpenVinoRuntime(path, architecture, device), loaded)
    if runtime in {"onnx", "int8"}:
        from denoise_cli.photo.runtimes.onnx_runtime import OnnxRuntime

        if runtime == "int8" and device not in {"auto", "cpu"}:
            raise UsageError(f"The runtime int8 computes on the CPU, not on {device}.", "Leave --device out.")
        network = OnnxRuntime(
            path, architecture, "cpu" if runtime == "int8" else device, int8=runtime == "int8"
        )
        return PhotoDenoiser(architecture, network, loaded)
    from denoise_cli.photo.runtimes.pytorch import TorchRuntime

    return PhotoDenoiser(architecture, TorchRuntime(path, device), loaded)


def _is_external(weights: str) -> bool:
    """As `external.load.is_external`, which needs torch and is asked only where it might say yes."""
    path = Path(weights)
    if path.suffix.lower() == ".safetensors":
        if not path.is_file() or is_ours(path):
            return False
    elif not path.is_file() and (path.exists() or ":" not in weights):
        return False
    from denoise_cli.external.load import is_external

    return is_external(weights)


def _load_external(weights: str, model: str | None, device: str, runtime: RuntimeName) -> PhotoDenoiser:
    if model is not None:
        raise WeightsError(
            f"{weights} is a network of another program, not a {model}.", "Leave the model name out."
        )
    if runtime not in {"auto", "torch"}:
        raise UsageError(
            f"{weights} is a network of another program, which runs on torch.", "Leave --runtime out."
        )
    from denoise_cli.photo.runtimes.external import ExternalRuntime, external_info

    loaded = {"weights": weights, "device": device, "runtime": runtime}
    found = ExternalRuntime(weights, device)
    header = WeightsHeader("denoiser", "external", batch_norm=False)
    return PhotoDenoiser(header, found, loaded, external_info(found))


def find_named(model: str | Path | None, batch_norm: bool | None) -> Path:
    """The weight file of a model's bundled weights, or the one that is named; as `find_denoiser`."""
    if model is not None and names_weights(str(model)):
        return find_denoiser(None, batch_norm, model)
    return find_denoiser(None if model is None else str(model), batch_norm, None)


def find_denoiser(model: str | None, batch_norm: bool | None, weights: str | Path | None) -> Path:
    """The weight file of a denoiser; arguments and errors as `load_photo_denoiser`."""
    wanted = None if model is None else denoiser_info(model).name
    if weights is None:
        return find_bundled(wanted or DEFAULT_MODEL, batch_norm is not False)
    path = find_weights(str(weights))
    found = read_header(path)
    if found.kind != "denoiser":
        raise WeightsError(
            f"{weights} holds a classifier, not a denoiser.",
            "`denoise models` lists the denoisers.",
        )
    reject_external_guidance(found, path)
    if wanted not in {None, found.name}:
        raise UsageError(f"{weights} holds the model {found.name}, not {wanted}.", "Leave --model out.")
    check_batch_norm(weights, found, batch_norm)
    return path


def _fastest(device: str, architecture: WeightsHeader) -> RuntimeName:
    if device in {"directml", "coreml", "openvino"}:
        return "onnx"
    if _wants_torch(device) or why_no_graph(architecture):
        return "torch"
    return "onnx" if find_spec("openvino") is None else "openvino"


def _has_torch() -> bool:
    """Whether torch is installed; where photos alone are cleaned, it need not be."""
    try:
        return find_spec("torch") is not None
    except ValueError:  # sys.modules says that it must not be imported
        return False


def _wants_torch(device: str) -> bool:
    """Whether torch must be imported; with `auto`, a look at the machine says so without it."""
    if not _has_torch():
        return False  # What ONNX Runtime lacks, it says itself.
    if device != "auto":
        return device != "cpu"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    windows = Path(os.environ.get("SYSTEMROOT", "/nowhere"), "System32", "nvcuda.dll")
    drivers = (Path("/dev/nvidiactl"), Path("/dev/dxg"), windows)
    return any(path.exists() for path in drivers) or _is_apple_silicon()


def _is_apple_silicon() -> bool:
    uname = os.uname() if hasattr(os, "uname") else None
    return uname is not None and uname.sysname == "Darwin" and uname.machine == "arm64"
