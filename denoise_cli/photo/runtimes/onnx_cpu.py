"""ONNX Runtime on the CPU; torch is never imported."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from denoise_cli.errors import WeightsError
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.graphs import denoiser_graph, guidance_graph
from denoise_cli.onnx.runtime import ort
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WINDOW_BYTES, checked, usable_cores
from denoise_cli.weights.header import WeightsHeader
from denoise_cli.weights.shapes import read_fitting


class OnnxRuntime:
    """Runs graphs that are built from the weight file when it is loaded."""

    name = "onnx cpu"

    def __init__(self, path: Path, architecture: WeightsHeader) -> None:
        self._tensors = read_fitting(path, architecture)
        self._architecture = architecture
        a = architecture
        try:
            self._denoiser = _session(denoiser_graph(a.name, self._tensors, a.batch_norm))
        except KeyError as error:
            raise WeightsError(f"{path} does not fit the architecture it names ({a.name}).") from error
        self.window = WINDOW_BYTES // DENOISERS[a.name].bytes_per_pixel

    def guidance(self, thumbnail: Array) -> Array:
        a = self._architecture
        # Used once per photo, so the classifier's session does not stay in memory.
        session = _session(guidance_graph(a.name, self._tensors, a.batch_norm, a.image_size))
        result: Array = session.run(None, {"thumbnail": thumbnail})[0]
        return checked(result)

    def run(self, window: Array, guidance: Array | None) -> Array:
        feed = {"image": window}
        if guidance is not None:
            feed["guidance"] = guidance
        result: Array = self._denoiser.run(None, feed)[0]
        return checked(result)


def _session(model: bytes) -> ort.InferenceSession:
    _reserve_memory()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 3
    # Planned blocks would come on top of what the first run allocates, a quarter more at the peak.
    options.enable_mem_pattern = False
    options.intra_op_num_threads = usable_cores()
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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
