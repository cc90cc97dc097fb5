"""Grey stays grey, alpha stays alpha, and the controls do what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from denoise_cli import denoise
from denoise_cli.photo.pixels.alpha import fill_hidden
from denoise_cli.photo.pixels.resize import Thumbnail, linear_weights
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser
from tests.conftest import Weights


@pytest.fixture(scope="module")
def unet(weights: Weights) -> PhotoDenoiser:
    return load_photo_denoiser(weights=weights("unet", True), runtime="onnx")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 3), (3, 1000), (1000, 3, 3), (17, 33, 4), (2, 50, 2), (40, 31, 1)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_any_shape_and_dtype(shape: tuple[int, ...], dtype: Any, unet: PhotoDenoiser) -> None:
    image = noise(*shape) / 255
    image = (
        image.astype(dtype) if np.dtype(dtype).kind == "f" else (image * np.iinfo(dtype).max).astype(dtype)
    )
    result = denoise(image, unet)
    assert result.shape == shape
    assert result.dtype == dtype
    if len(shape) == 3 and shape[2] in {2, 4}:
        assert np.allclose(result[..., -1], image[..., -1])


def test_arrays_that_are_no_pictures_are_refused(unet: PhotoDenoiser) -> None:
    for bad in (
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4)),
        np.full((4, 4), 200.0),
        np.full((4, 4), np.nan),
    ):
        with pytest.raises(ValueError, match="image must"):
            denoise(bad, unet)


def test_grey_as_rgb_stays_free_of_colour_and_equals_grey(unet: PhotoDenoiser) -> None:
    grey = noise(60, 80)
    result = denoise(np.repeat(grey[..., None], 3, axis=2), unet)
    assert (result == result[..., :1]).all()
    assert (result[..., 0] == denoise(grey, unet)).all()


def test_colour_keeps_its_colour(unet: PhotoDenoiser) -> None:
    result = denoise(noise(60, 80, 3), unet)
    assert (result != result[..., :1]).any()


def test_hidden_pixels_do_not_bleed(unet: PhotoDenoiser) -> None:
    """What lies under transparent pixels changes nothing that is seen."""
    picture = noise(64, 64, 4)
    picture[..., 3] = 255
    picture[20:40, 10:50, 3] = 0
    black, white = picture.copy(), picture.copy()
    black[20:40, 10:50, :3], white[20:40, 10:50, :3] = 0, 255
    results = [denoise(image, unet) for image in (black, white)]
    seen = picture[..., 3] > 0
    assert (results[0][seen] == results[1][seen]).all()
    assert (results[0][~seen] == black[~seen]).all()
    assert (results[1][~seen] == white[~seen]).all()
    assert all((result[..., 3] == picture[..., 3]).all() for result in results)


def test_hidden_pixels_take_the_colour_around_them() -> None:
    colours = np.full((33, 47, 3), 200, np.uint8)
    alpha = np.full((33, 47), 255, np.uint8)
    colours[5:30, 6:41], alpha[5:30, 6:41] = 0, 0
    assert (fill_hidden(colours, alpha) == 200).all()


def test_strength_blends(unet: PhotoDenoiser) -> None:
    photo = noise(50, 60, 3).astype(np.float32) / 255
    clean = denoise(photo, unet)
    assert np.abs(denoise(photo, unet, strength=0) - photo).max() < 1e-6
    assert np.abs(denoise(photo, unet, strength=0.25) - (0.75 * photo + 0.25 * clean)).max() < 1e-6


@pytest.mark.parametrize(("strength", "luma", "chroma"), [(1, 0, 1), (1, 1, 0), (0.5, 0.25, 1), (1, 0, 0)])
def test_brightness_and_colour_are_blended_apart(
    strength: float, luma: float, chroma: float, unet: PhotoDenoiser
) -> None:
    """Against the closed form: Rec. 601 brightness, and the rest of each channel."""
    photo = noise(50, 60, 3).astype(np.float32) / 255
    removed = photo - denoise(photo, unet)
    grey = (removed @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    expected = photo - strength * (luma * grey + chroma * (removed - grey))
    result = denoise(photo, unet, strength=strength, luma=luma, chroma=chroma)
    # Where the whole change would leave the range, it is cut off, so it is not known.
    known = ((removed < photo) & (removed > photo - 1)).all(-1)
    assert known.mean() > 0.2
    assert np.abs(result - expected.clip(0, 1))[known].max() < 1e-5


def test_grey_has_brightness_only(unet: PhotoDenoiser) -> None:
    photo = noise(50, 60)
    assert (denoise(photo, unet, luma=0) == photo).all()
    assert (denoise(photo, unet, chroma=0) == denoise(photo, unet)).all()


@pytest.mark.parametrize(("height", "width"), [(200, 333), (96, 96), (20, 1000), (5, 7)])
def test_thumbnail_equals_torch(height: int, width: int) -> None:
    picture = np.random.default_rng(0).random((3, height, width), np.float32)
    thumbnail = Thumbnail(height, width, 96)
    for top in range(0, height, 33):
        thumbnail.add(picture[:, top : top + 33])
    expected = F.interpolate(torch.from_numpy(picture)[None], (96, 96), mode="bilinear", antialias=True)
    assert np.abs(thumbnail.result() - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("target", [3, 12, 65, 500])
def test_guidance_resize_equals_torch(target: int) -> None:
    grid = torch.rand(1, 1, 12, 1, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(grid, (target, 1), mode="bilinear")[0, 0, :, 0]
    parts = [linear_weights(12, target, a, b) for a, b in ((0, target // 3), (target // 3, target))]
    assert np.abs(np.concatenate(parts) @ grid[0, 0, :, 0].numpy() - expected.numpy()).max() < 1e-5
