"""ONNX Runtime, on the CPU or what else its build has; torch is never imported."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock

from denoise_cli.errors import ModelWarning, UsageError, WeightsError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.onnx.runtime import ort
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WINDOW_BYTES, WindowTooLargeError, checked, usable_cores
from denoise_cli.photo.runtimes.providers import Provider, choose_provider
from denoise_cli.weights.header import WeightsHeader, read_steps
from denoise_cli.weights.shapes import read_fitting

# Sessions are made in several threads, and the memory of all is reserved once.
_RESERVING = Lock()
_NO_MEMORY = re.compile("out of memory|failed to allocate", re.IGNORECASE)


class OnnxRuntime:
    """Runs graphs that are built from the weight file when it is loaded.

    Args:
        path, architecture: The weight file and its header.
        device: As `choose_provider` takes it.
        int8: Compute in whole numbers of 8 bits where the weight file has steps for it.

    Raises:
        UsageError: The installed ONNX Runtime does not compute on the device, or there are no steps.
    """

    def __init__(
        self, path: Path, architecture: WeightsHeader, device: str = "cpu", *, int8: bool = False
    ) -> None:
        provider = choose_provider(device)
        self._tensors = read_fitting(path, architecture)
        self._architecture = architecture
        a = architecture
        try:
            graph = denoiser_graph(a.name, self._tensors, a.batch_norm, _steps(path) if int8 else None)
        except KeyError as error:
            raise WeightsError(f"{path} does not fit the architecture it names ({a.name}).") from error
        # In a thread, so that the first photo is read meanwhile.
        thread = ThreadPoolExecutor(1)
        self._denoiser = thread.submit(_session, graph, provider)
        thread.shutdown(wait=False)
        # Only of the CPU it is known beforehand that it will be used.
        used = provider.name if provider.device == "cpu" else self._denoiser.result().get_providers()[0]
        if used != provider.name and device != "auto":
            warnings.warn(
                f"ONNX Runtime could not use {device}, and computes on the CPU.", ModelWarning, stacklevel=2
            )
        self.name = f"onnx {provider.device if used == provider.name else 'cpu'}{' int8' if int8 else ''}"
        self.window = WINDOW_BYTES // DENOISERS[a.name].bytes_per_pixel

    def guidance(self, thumbnail: Array) -> Array:
        a = self._architecture
        # Used once per photo, so the classifier's session does not stay in memory.
        graph = guidance_graph(a.name, self._tensors, a.batch_norm, a.image_size)
        session = _session(graph, choose_provider("cpu"))
        result: Array = session.run(None, {"thumbnail": thumbnail})[0]
        return checked(result)

    def run(self, window: Array, guidance: Array | None) -> Array:
        feed = {"image": window}
        if guidance is not None:
            feed["guidance"] = guidance
        try:
            result: Array = self._denoiser.result().run(None, feed)[0]
        except Exception as error:  # ONNX Runtime's errors have no class that is its own
            if not self.name.startswith("onnx cpu") and _NO_MEMORY.search(str(error)):
                raise WindowTooLargeError from error
            raise
        return checked(result)


def _steps(path: Path) -> dict[str, float]:
    steps = read_steps(path)
    if not steps:
        raise UsageError(
            f"{path.name} is not prepared for 8 bits.",
            "Leave --runtime out; the bundled default is prepared.",
        )
    return steps


def _session(model: bytes, provider: Provider) -> ort.InferenceSession:
    with _RESERVING:
        _reserve_memory()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3
    # Planned blocks would come on top of what the first run allocates, a quarter more at the peak.
    options.enable_mem_pattern = False
    options.intra_op_num_threads = usable_cores()
    return ort.InferenceSession(model, options, providers=provider.arguments)


@cache
def _reserve_memory() -> None:
    """Let all sessions share one block for a window, which the system fills in as it is used.

    Left alone, ONNX Runtime asks for block after block, each twice as large as the one before, and
    what does not fit into their ends is lost: a fifth more at the peak.
    """
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(
        place,
        ort.OrtArenaCfg({"initial_chunk_size_bytes": 2 * WINDOW_BYTES, "max_dead_bytes_per_chunk": 1 << 20}),
    )
