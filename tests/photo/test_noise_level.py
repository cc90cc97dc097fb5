"""The noise estimate sees white and coarse noise, and none in drawings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut, chelsea, coffee

from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise
from denoise_cli.photo.denoise_array import ArrayRows
from denoise_cli.photo.first_look import take_first_look
from denoise_cli.photo.pixels.noise_level import Noise

LUMA = np.array([0.299, 0.587, 0.114])


def look(picture: np.ndarray) -> Noise:
    return take_first_look(ArrayRows(picture), None).noise


def softened(sigma: float) -> np.ndarray:
    """A smooth picture on 8 bits with noise of its own below 0.3, in the middle of the range."""
    picture = gaussian_filter(astronaut().astype(np.float64), (12, 12, 0)) * 0.5 + 64
    noise = np.random.default_rng(0).normal(0, sigma, picture.shape)
    return np.asarray(np.rint(picture + noise).clip(0, 255), np.uint8)


@pytest.mark.parametrize("sigma", [2, 5, 15, 25])
def test_white_noise(sigma: float) -> None:
    found = look(softened(sigma))
    assert np.array(found.sigma) * 255 == pytest.approx((sigma,) * 3, rel=0.15)
    assert found.luma * 255 == pytest.approx(sigma * np.sqrt((LUMA**2).sum()), rel=0.15)
    assert found.fine * 255 == pytest.approx(found.luma * 255, rel=0.15)
    assert not found.coarse


@pytest.mark.parametrize(("luma", "chroma"), [(2, 1), (4, 2), (7, 6)])
def test_coarse_noise_of_brightness_and_colour(luma: float, chroma: float) -> None:
    """Neighbours correlate as those of cameras do: brightness over about a pixel, colour over several."""
    rng = np.random.default_rng(1)

    def coarse(blur: float, *shape: int) -> np.ndarray:
        field = gaussian_filter(rng.normal(size=shape), (blur, blur, 0)[: len(shape)])
        return np.asarray(field / field.std())

    picture = softened(0).astype(np.float64)
    colour = coarse(1.7, *picture.shape)
    colour -= (colour @ LUMA)[..., None]
    colour *= chroma / np.sqrt((colour**2).mean())
    picture += luma * coarse(0.7, *picture.shape[:2])[..., None] + colour
    found = look(np.rint(picture).clip(0, 255).astype(np.uint8))
    assert found.luma * 255 == pytest.approx(luma, rel=0.2)
    assert 0.6 * chroma < found.chroma * 255 < 1.2 * chroma
    assert found.coarse
    assert found.fine < 0.6 * found.luma


@pytest.mark.parametrize("sigma", [5, 15, 25])
@pytest.mark.parametrize("photo", [astronaut, chelsea, coffee])
def test_noise_on_photographs(photo: Callable[[], np.ndarray], sigma: float) -> None:
    clean = photo() * 0.7 + 38
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    found = look(np.rint(noisy).clip(0, 255).astype(np.uint8))
    assert np.array(found.sigma) * 255 == pytest.approx((sigma,) * 3, rel=0.2)


@pytest.mark.parametrize("photo", [astronaut, chelsea, coffee])
def test_clean_photographs_are_near_zero(photo: Callable[[], np.ndarray]) -> None:
    found = look(photo())
    assert found.luma * 255 < 1.5
    assert found.chroma * 255 < 2


def test_what_has_no_noise_is_zero() -> None:
    chessboard = np.indices((64, 96)).sum(0) % 2 * 255
    ramp = np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None].repeat(64, 1)
    flat = np.full((50, 70, 3), 0.4, np.float32)
    for picture in (chessboard.astype(np.uint8), flat, ramp):
        assert look(picture).luma * 255 < 0.05
    assert look(flat).sigma == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (15, 15, 3), (16, 17), (40, 40, 3)])
def test_small_pictures(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).normal(0.5, 0.1, shape).clip(0.01, 0.99).astype(np.float32)
    found = look(picture)
    assert len(found.sigma) == (3 if len(shape) == 3 else 1)
    if picture.size > 100:
        assert found.sigma == pytest.approx((0.1,) * len(found.sigma), rel=0.35)


@pytest.mark.parametrize("seed", range(4))
def test_noise_of_cameras_is_seen(seed: int) -> None:
    """Blurred, sharpened and compressed as cameras do it: neighbouring pixels hardly differ."""
    clean = astronaut()
    x = torch.from_numpy(clean).permute(2, 0, 1)[None] / 255
    noisy = add_test_noise(x, parse_noise("camera:12"), [seed], 0)[0].permute(1, 2, 0)
    found = look((noisy * 255).round().byte().numpy())
    of_luma = ((noisy - x[0].permute(1, 2, 0)) @ torch.tensor([0.299, 0.587, 0.114])).std()
    assert 0.7 < found.luma / float(of_luma) < 1.25
    assert found.chroma * 255 > 2


def test_grey_stored_as_colour_reads_as_grey() -> None:
    grey = softened(5)[..., 0]
    colour = look(np.repeat(grey[..., None], 3, axis=2))
    assert colour.chroma == 0
    assert colour.luma == look(grey).luma
    assert colour.sigma == look(grey).sigma * 3


def test_hidden_pixels_show_nothing() -> None:
    picture = np.dstack([softened(2), np.full((512, 512), 255, np.uint8)])
    picture[:300, :, 3] = 0
    picture[:300, :, :3] = np.random.default_rng(0).integers(0, 256, (300, 512, 3))
    assert np.array(look(picture).sigma) * 255 == pytest.approx((2,) * 3, rel=0.25)


@pytest.mark.parametrize(
    ("sigma", "text"), [(0.04, "0.0 of 255"), (0.06, "0.1 of 255, coarse"), (2, "2.0 of 255, coarse")]
)
def test_noise_that_is_told_as_none_is_not_called_coarse(sigma: float, text: str) -> None:
    level = sigma / 255
    assert Noise(sigma=(level,) * 3, luma=level, chroma=level, fine=0).text == text
