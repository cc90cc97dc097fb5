"""Denoise pictures that are arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.denoise_rows import Controls, denoise_rows
from denoise_cli.photo.first_look import take_first_look
from denoise_cli.photo.pixels.types import FLOAT_MOST
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser


def denoise(
    image: NDArray[Any],
    model: PhotoDenoiser | str | None = None,
    *,
    strength: float = 1.0,
    luma: float = 1.0,
    chroma: float = 1.0,
    tile: str = "auto",
) -> NDArray[Any]:
    """Remove the noise from a picture; one without noise comes back as it is.

    Args:
        image: (H, W) or (H, W, C), where C is 1 (grey), 2 (grey and alpha), 3 (RGB) or
            4 (RGB and alpha). uint8 in 0..255, uint16 in 0..65535, or float in [0, 1]; values
            a little outside, as noise makes them, are clipped. Alpha is kept as it is.
        model: From `load_model`, or the name of a model with bundled weights.
        strength: Share of the noise found that is removed, 0 to 1.
        luma, chroma: Of that share, how much of the brightness noise and of the colour noise, 0 to 1.
        tile: `auto`, `exact` (no difference to the whole picture), or a side in pixels.

    Returns:
        The clean picture, of the same shape and dtype.

    Raises:
        ValueError: Another shape, dtype or range, or a value that is no number.
    """
    picture = ArrayRows(image)
    denoiser = model if isinstance(model, PhotoDenoiser) else load_photo_denoiser(model)
    found = take_first_look(picture, denoiser.architecture.image_size if denoiser.guided else None)
    controls = Controls(tile=tile, strength=strength, luma=luma, chroma=chroma)
    result = _Collected(picture.pixels.dtype)
    denoise_rows(picture, found, denoiser, controls, result)
    return np.concatenate(result.strips).reshape(image.shape).astype(image.dtype, copy=False)


class ArrayRows:
    """An array in memory as rows; see `photo.pixels.types.Rows`."""

    def __init__(self, image: NDArray[Any]) -> None:
        if image.ndim not in {2, 3} or 0 in image.shape:
            raise ValueError(f"image must have shape (H, W) or (H, W, C), not {image.shape}")
        pixels = image.reshape(*image.shape[:2], -1)
        if pixels.shape[2] > 4:
            raise ValueError(f"image must have 1 to 4 channels, not {pixels.shape[2]}")
        if image.dtype.kind == "f":
            pixels = pixels.astype(np.float32, copy=False)
            if not np.isfinite(pixels).all():
                raise ValueError("image must hold numbers only, and there is a NaN or infinity in it")
            if pixels.max() > FLOAT_MOST:
                raise ValueError(f"image must be in [0, 1] as it is float, not up to {pixels.max():g}")
        elif image.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
            raise ValueError(f"image must be uint8, uint16 or float, not {image.dtype}")
        self.pixels = pixels
        self.height, self.width = image.shape[:2]
        self.channels = 1 if pixels.shape[2] < 3 else 3
        self.alpha = pixels.shape[2] in {2, 4}

    def strips(self, rows: int) -> Iterator[NDArray[Any]]:
        for top in range(0, self.height, rows):
            yield self.pixels[top : top + rows]


class _Collected:
    """A sink that collects the strips."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.strips: list[NDArray[Any]] = []

    def write(self, strip: NDArray[Any]) -> None:
        self.strips.append(strip)
