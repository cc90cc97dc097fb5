"""The interface of runtimes."""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np

from denoise_cli.errors import WeightsError
from denoise_cli.photo.pixels.types import Array

# Bytes for one window. Larger windows waste less on halos; with these, a photo of 100 megapixels
# stays under 1 GB in all.
WINDOW_BYTES = 500_000_000


class WindowTooLargeError(Exception):
    """The device has no memory for a window of this size."""


class Runtime(Protocol):
    """A denoiser on a device.

    Attributes:
        name: For messages, such as `onnx cpu`.
        window: Pixels of the window that it computes best.
    """

    name: str
    window: int

    def guidance(self, thumbnail: Array) -> Array:
        """The map (1, 32, g, g) that a guided model makes of a photo's thumbnail (1, 3, S, S)."""

    def run(self, window: Array, guidance: Array | None) -> Array:
        """Denoise (1, 3, h, w) in [0, 1], sides multiples of the size multiple.

        `guidance` is (1, 32, h/8, w/8) for a guided model. Raises `WindowTooLargeError`.
        """


def checked(output: Array) -> Array:
    """What a network put out; raises `WeightsError` where that is no picture.

    Weights that are finite may still be so large that what is computed with them is not.
    """
    if not np.isfinite(output).all():
        raise WeightsError(
            "The network's output is not finite, so no picture can come from these weights.",
            "Take other weights; `denoise models` lists what there is.",
        )
    return output


def usable_cores() -> int:
    """Cores that this process may use: fewer than the machine's inside a container or a job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
