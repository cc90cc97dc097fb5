"""PyTorch on a CPU, CUDA or MPS device."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from denoise_cli.devices import resolve_device
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WindowTooLargeError, checked
from denoise_cli.weights.files import load_weights


class TorchRuntime:
    """Runs the model itself, in float32 and channels_last."""

    window = 2048 * 2048

    def __init__(self, path: Path, device: str) -> None:
        self._device = resolve_device(device)
        self.name = f"torch {self._device}"
        self._model = load_weights(path)[1].to(self._device).to(memory_format=torch.channels_last)
        if self._device.type == "cpu":
            self.window = 768 * 1024

    @torch.inference_mode()
    def guidance(self, thumbnail: Array) -> Array:
        assert isinstance(self._model, GuidedUNet)
        return checked(_to_numpy(self._model.guidance(torch.from_numpy(thumbnail).to(self._device))))

    @torch.inference_mode()
    def run(self, window: Array, guidance: Array | None) -> Array:
        maps = () if guidance is None else (torch.from_numpy(guidance).to(self._device),)
        try:
            x = torch.from_numpy(window).to(self._device).to(memory_format=torch.channels_last)
            return checked(_to_numpy(self._model(x, *maps)))
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise WindowTooLargeError from error


def _to_numpy(x: Tensor) -> Array:
    result: Array = x.float().contiguous().cpu().numpy()
    return result
