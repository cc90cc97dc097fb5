"""Denoise pictures that are arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from os import PathLike
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
    tile: str | int = "auto",
) -> NDArray[Any]:
    """Remove the noise from a picture; one without noise comes back as it is.

    Args:
        image: (H, W) or (H, W, C), where C is 1 (grey), 2 (grey and alpha), 3 (RGB) or
            4 (RGB and alpha). uint8 in 0..255, uint16 in 0..65535, or float in [0, 1], in any byte
            order; values a little outside, as noise makes them, are clipped. Alpha is kept as it is.
        model: From `load_model`, or the name of a model with bundled weights.
        strength: Share of the noise found that is removed, 0 to 1.
        luma, chroma: Of that share, how much of the brightness noise and of the colour noise, 0 to 1.
        tile: `auto`, `exact` (no difference to the whole picture), or a side in pixels.

    Returns:
        The clean picture, a new array of the same shape and dtype.

    Raises:
        TypeError: The image is no NumPy array; the message says how it becomes one. Or the model is
            neither a denoiser nor a name.
        ValueError: Another shape, dtype or range, a value that is no number, or a share outside 0 to 1.
        UsageError: There is no such model, or the tile is not understood or too small for it.
    """
    shares = {"strength": strength, "luma": luma, "chroma": chroma}
    for name, share in shares.items():
        _check_share(name, share)
    picture = ArrayRows(image)
    denoiser = model if isinstance(model, PhotoDenoiser) else _load(model)
    found = take_first_look(picture, denoiser.architecture.image_size if denoiser.guided else None)
    controls = Controls(tile=str(tile), **shares)
    result = _Collected(picture.pixels.dtype)
    denoise_rows(picture, found, denoiser, controls, result)
    return np.concatenate(result.strips).reshape(image.shape).astype(image.dtype, copy=False)


def _check_share(name: str, share: object) -> None:
    if not isinstance(share, Real) or not 0 <= float(share) <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {share!r}")


def _load(model: str | None) -> PhotoDenoiser:
    if not (model is None or isinstance(model, str)):
        raise TypeError(
            f"model must come from load_model, or be a model's name, not {type(model).__name__}; "
            "for a weight file: load_model(weights=...)"
        )
    return load_photo_denoiser(model)


def _as_array(image: object) -> NDArray[Any]:
    """The image as a plain array; or `TypeError`, which says how to make one of what it is.

    Nothing is converted unasked: a tensor's axes and a picture's palette would be guessed.
    """
    if isinstance(image, np.ndarray):
        return np.asarray(image)
    kind = f"{type(image).__module__}.{type(image).__name__}"
    if isinstance(image, str | PathLike):
        how = "load the file first, or denoise it by `denoise denoise-image`"
    elif kind.startswith("torch."):
        how = "for one of shape (C, H, W): image.permute(1, 2, 0).cpu().numpy()"
    elif kind.startswith("PIL."):
        how = 'convert it: numpy.asarray(image.convert("RGB"))'
    else:
        how = "convert it by numpy.asarray, to uint8, uint16 or float"
    raise TypeError(f"image must be a NumPy array, not {kind.removeprefix('builtins.')}; {how}")


class ArrayRows:
    """An array in memory as rows; see `photo.pixels.types.Rows`."""

    def __init__(self, image: NDArray[Any]) -> None:
        image = _as_array(image)
        if image.ndim not in {2, 3} or 0 in image.shape:
            raise ValueError(f"image must have shape (H, W) or (H, W, C), not {image.shape}")
        pixels = image.reshape(*image.shape[:2], -1)
        if pixels.shape[2] > 4:
            raise ValueError(
                f"image must have 1 to 4 channels, the last axis, not {pixels.shape[2]} as in {image.shape}"
            )
        if image.dtype.kind == "f":
            pixels = _as_float(pixels)
        elif image.dtype.newbyteorder("=") not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
            raise ValueError(f"image must be uint8, uint16 or float, not {image.dtype}")
        self.pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        self.height, self.width = image.shape[:2]
        self.channels = 1 if pixels.shape[2] < 3 else 3
        self.alpha = pixels.shape[2] in {2, 4}

    def strips(self, rows: int) -> Iterator[NDArray[Any]]:
        for top in range(0, self.height, rows):
            yield self.pixels[top : top + rows]


def _as_float(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels as float32; or `ValueError` where they are no numbers, or of another range."""
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError("image must hold numbers only, and there is a NaN or infinity in it")
    if highest > FLOAT_MOST or lowest < -FLOAT_MOST:
        raise ValueError(f"image must be in [0, 1] as it is float, not from {lowest:g} to {highest:g}")
    return pixels.astype(np.float32, copy=False)


class _Collected:
    """A sink that collects the strips."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.strips: list[NDArray[Any]] = []

    def write(self, strip: NDArray[Any]) -> None:
        self.strips.append(strip)
