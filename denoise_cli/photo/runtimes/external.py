"""Networks of other programs, on torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from denoise_cli.devices import resolve_device
from denoise_cli.errors import WeightsError
from denoise_cli.external.load import load_external
from denoise_cli.external.network import SigmaConditioned, set_sigma
from denoise_cli.models.info import ModelInfo
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.base import WindowTooLargeError, checked

# Windows: whole-picture statistics and attention cost memory that nobody can state beforehand.
_WINDOW = 512 * 512
_HALOS = (8, 16, 32, 64, 96)
_CENTRE = 64
# As for our own networks (`benchmarks/halo.py`): an error at the seams that no 8-bit value shows.
_UNSEEN = 0.5 / 255


class ExternalRuntime:
    """Runs what `load_external` loads.

    Attributes:
        takes_level: Whether the network is told the noise level.
        halo: Pixels of context, measured when it is loaded: the fewest of 8 to 96 with which the
            centre of a noisy picture changes by less than half of an 8-bit step, or 96.
        window: Pixels of the largest window.
    """

    window = _WINDOW

    def __init__(self, weights: str, device: str) -> None:
        self._device = resolve_device(device)
        network = load_external(weights)
        self.name = f"torch {self._device}"
        self._model: nn.Module = network.module.to(self._device).eval()
        self.takes_level = any(isinstance(part, SigmaConditioned) for part in self._model.modules())
        self.halo = self._measured_halo()

    def guidance(self, thumbnail: Array) -> Array:
        """None of them is guided; raises `TypeError`."""
        raise TypeError("a network of another program is not guided")

    @torch.inference_mode()
    def run(self, window: Array, guidance: Array | None) -> Array:
        """Denoise (1, 3, h, w); `guidance` is the noise's standard deviation on [0, 1], as (1, 1, 1, 1)."""
        set_sigma(self._model, None if guidance is None else float(guidance.item()))
        try:
            result = self._model(torch.from_numpy(window).to(self._device))
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise WindowTooLargeError from error
        clean: Array = result.float().clamp(0, 1).contiguous().cpu().numpy()
        return checked(clean)

    def _measured_halo(self) -> int:
        largest = _HALOS[-1]
        side = _CENTRE + 2 * largest
        picture = _test_picture(side)
        level = np.full((1, 1, 1, 1), 0.1, np.float32) if self.takes_level else None
        whole = self.run(picture, level)
        if whole.shape != picture.shape:
            raise WeightsError(
                f"The network makes {whole.shape[1:]} of a picture of {picture.shape[1:]}.",
                "A denoiser puts out a picture of the size that it gets.",
            )
        centre = slice(largest, largest + _CENTRE)
        for halo in _HALOS[:-1]:
            part = slice(largest - halo, largest + _CENTRE + halo)
            kept = slice(halo, halo + _CENTRE)
            alone = self.run(np.ascontiguousarray(picture[..., part, part]), level)
            if np.abs(alone[..., kept, kept] - whole[..., centre, centre]).max() < _UNSEEN:
                return halo
        return largest


def external_info(runtime: ExternalRuntime) -> ModelInfo:
    """What photos need to know of such a network. It pads pictures itself."""
    return ModelInfo(
        name="external",
        kind="denoiser",
        summary="a network of another program",
        network="",
        size_multiple=8,
        receptive_radius=0,
        halo=runtime.halo,
        gflop_per_megapixel=0.0,
        bytes_per_pixel=0,
        predicts_noise=True,
    )


def _test_picture(side: int) -> Array:
    """Slopes, edges and noise, (1, 3, side, side)."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    clean = np.stack([x, y, np.float32((x + y) * 8 % 1 > 0.5)])
    noise = np.random.default_rng(0).normal(0, 0.1, clean.shape)
    return np.asarray((clean + noise).clip(0, 1)[None], np.float32)
