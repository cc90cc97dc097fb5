"""A denoiser that changes nothing."""

from __future__ import annotations

import pytest

from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.weights.header import Architecture


class IdentityRuntime:
    name = "identity"
    window = 64 * 64

    def guidance(self, thumbnail: Array) -> Array:
        raise AssertionError("a plain model has no guidance")

    def run(self, window: Array, guidance: Array | None) -> Array:
        return window.copy()


@pytest.fixture
def identity() -> PhotoDenoiser:
    return PhotoDenoiser(Architecture("denoiser", "cae", True), IdentityRuntime())
