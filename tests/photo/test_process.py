"""Grey stays grey, alpha stays alpha, and the controls do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch.nn import functional as F

from denoise_cli import denoise
from denoise_cli.photo.alpha import fill_hidden
from denoise_cli.photo.denoiser import load_denoiser
from denoise_cli.photo.noise_level import NoiseLevel
from denoise_cli.photo.resize import Thumbnail, linear_weights


@pytest.fixture(scope="module")
def unet(weights):
    return load_denoiser(weights=weights("unet", True), runtime="onnx")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 3), (3, 1000), (1000, 3, 3), (17, 33, 4), (2, 50, 2), (40, 31, 1)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_any_shape_and_dtype(shape, dtype, unet):
    image = noise(*shape) / 255
    image = (
        image.astype(dtype) if np.dtype(dtype).kind == "f" else (image * np.iinfo(dtype).max).astype(dtype)
    )
    result = denoise(image, unet)
    assert result.shape == shape
    assert result.dtype == dtype
    if len(shape) == 3 and shape[2] in {2, 4}:
        assert np.allclose(result[..., -1], image[..., -1])


def test_arrays_that_are_no_pictures_are_refused(unet):
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


def test_grey_as_rgb_stays_free_of_colour_and_equals_grey(unet):
    grey = noise(60, 80)
    result = denoise(np.repeat(grey[..., None], 3, axis=2), unet)
    assert (result == result[..., :1]).all()
    assert (result[..., 0] == denoise(grey, unet)).all()


def test_colour_keeps_its_colour(unet):
    result = denoise(noise(60, 80, 3), unet)
    assert (result != result[..., :1]).any()


def test_hidden_pixels_do_not_bleed(unet):
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


def test_hidden_pixels_take_the_colour_around_them():
    colours = np.full((33, 47, 3), 200, np.uint8)
    alpha = np.full((33, 47), 255, np.uint8)
    colours[5:30, 6:41], alpha[5:30, 6:41] = 0, 0
    assert (fill_hidden(colours, alpha) == 200).all()


def test_strength_blends(unet):
    photo = noise(50, 60, 3).astype(np.float32) / 255
    clean = denoise(photo, unet)
    assert np.abs(denoise(photo, unet, strength=0) - photo).max() < 1e-6
    assert np.abs(denoise(photo, unet, strength=0.25) - (0.75 * photo + 0.25 * clean)).max() < 1e-6


def test_detail_gives_back_brightness_but_not_colour(unet):
    photo = noise(50, 60, 3).astype(np.float32) / 255
    clean = denoise(photo, unet)
    full = denoise(photo, unet, detail=1)
    inside = (full > 0) & (full < 1)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    whole = inside.all(-1)
    assert whole.mean() > 0.2
    assert np.abs((full @ luma - photo @ luma)[whole]).max() < 1e-5
    colour = (full - clean)[whole]
    assert np.abs(colour - colour[:, :1]).max() < 1e-5


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
def test_noise_level(sigma):
    clean = astronaut() / 255 * 0.5 + 0.25  # away from black and white, where noise is cut off
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    level = NoiseLevel(3)
    for top in range(0, 512, 128):
        level.add(noisy[top : top + 128].transpose(2, 0, 1).astype(np.float32))
    assert level.sigma() == pytest.approx((sigma,) * 3, rel=0.15)


def test_noise_level_of_a_plane_is_zero():
    level = NoiseLevel(1)
    level.add(np.linspace(0.2, 0.8, 64, dtype=np.float32)[None, :, None].repeat(64, 2))
    assert level.sigma() == (0.0,)


@pytest.mark.parametrize(("height", "width"), [(200, 333), (96, 96), (20, 1000), (5, 7)])
def test_thumbnail_equals_torch(height, width):
    picture = np.random.default_rng(0).random((3, height, width), np.float32)
    thumbnail = Thumbnail(height, width, 96)
    for top in range(0, height, 33):
        thumbnail.add(picture[:, top : top + 33])
    expected = F.interpolate(torch.from_numpy(picture)[None], (96, 96), mode="bilinear", antialias=True)
    assert np.abs(thumbnail.result() - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("target", [3, 12, 65, 500])
def test_guidance_resize_equals_torch(target):
    grid = torch.rand(1, 1, 12, 1, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(grid, (target, 1), mode="bilinear")[0, 0, :, 0]
    parts = [linear_weights(12, target, a, b) for a, b in ((0, target // 3), (target // 3, target))]
    assert np.abs(np.concatenate(parts) @ grid[0, 0, :, 0].numpy() - expected.numpy()).max() < 1e-5
