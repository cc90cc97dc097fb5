"""A denoiser that changes nothing."""

from __future__ import annotations

import pytest

from denoise_cli.photo.denoiser import Denoiser
from denoise_cli.photo.runtime import Array
from denoise_cli.weights.header import Architecture


class IdentityRuntime:
    name = "identity"
    window = 64 * 64

    def guidance(self, thumbnail: Array) -> Array:
        raise AssertionError("a plain model has no guidance")

    def run(self, window: Array, guidance: Array | None) -> Array:
        return window.copy()


@pytest.fixture
def identity() -> Denoiser:
    return Denoiser(Architecture("denoiser", "cae", True), IdentityRuntime())
