"""A denoiser that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from denoise_cli.photo.denoise_file import Settings, denoise_file
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.weights.header import WeightsHeader


class IdentityRuntime:
    name = "identity"
    window = 64 * 64

    def guidance(self, thumbnail: Array) -> Array:
        raise AssertionError("a plain model has no guidance")

    def run(self, window: Array, guidance: Array | None) -> Array:
        return window.copy()


@pytest.fixture
def identity() -> PhotoDenoiser:
    return PhotoDenoiser(WeightsHeader("denoiser", "cae", True), IdentityRuntime())


Rewrite = Callable[..., tuple[str, ...]]


@pytest.fixture
def rewrite(identity: PhotoDenoiser) -> Rewrite:
    """Write a photo (a path, or the bytes of a file) anew, unchanged, and return the notes on it."""

    def run(source: Path | bytes, output: Path, **settings: Any) -> tuple[str, ...]:
        choices = Settings(Controls(strength=0), **settings)
        notes = denoise_file(source, output, identity, choices, lambda share: None).notes
        # That of every photo that is left as it is.
        return tuple(note for note in notes if "no noise was found" not in note)

    return run
