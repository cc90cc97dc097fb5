"""A picture is changed as far as noise is seen in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter
from skimage.data import camera, chelsea, rocket
from skimage.metrics import peak_signal_noise_ratio as psnr

from denoise_cli import denoise
from denoise_cli.models.registry import DENOISERS
from denoise_cli.photo.denoise_file import Settings, denoise_file
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.pixels.fade import REACH, FadeLimits, fade, limits_of
from denoise_cli.photo.pixels.noise_level import Noise
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser

PREDICTS_NOISE, UNET = DENOISERS["photo_unet"], DENOISERS["unet"]

LUMA = np.array([0.299, 0.587, 0.114])


def screenshot() -> np.ndarray:
    """A window with a title bar, a menu, smooth text, lines and a disc."""
    image = Image.new("RGB", (480, 320), (245, 246, 248))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    draw.rectangle((0, 0, 480, 40), fill=(40, 60, 110))
    draw.rectangle((20, 60, 180, 300), fill=(225, 230, 240), outline=(90, 90, 90))
    for line in range(14):
        draw.text((200, 60 + 17 * line), "The quick brown fox, 1234567", font=font, fill=(30, 30, 30))
    for line in range(10):
        draw.text((30, 70 + 20 * line), f"Menu entry {line}", font=font, fill=(0, 80, 160))
    draw.ellipse((100, 200, 170, 270), fill=(200, 60, 50))
    draw.line((0, 310, 480, 300), fill=(0, 120, 0), width=2)
    return np.asarray(image)


def printed() -> np.ndarray:
    """Smooth black text on white paper."""
    image = Image.new("L", (400, 300), 255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for line in range(15):
        draw.text((10, 10 + 19 * line), "Sphinx of black quartz, judge my vow.", font=font, fill=0)
    return np.asarray(image)


def line_art() -> np.ndarray:
    image = Image.new("L", (300, 300), 255)
    draw = ImageDraw.Draw(image)
    for step in range(0, 300, 12):
        draw.line((0, step, step, 299), fill=0)
        draw.arc((step // 2, step // 2, 299 - step // 2, 299 - step // 3), 0, 200, fill=0, width=2)
    return np.asarray(image)


def halftone() -> np.ndarray:
    return np.asarray(Image.fromarray(camera()).convert("1")).astype(np.uint8) * 255


@pytest.fixture(scope="module")
def default() -> PhotoDenoiser:
    return load_photo_denoiser(runtime="onnx")


@pytest.mark.parametrize("model", ["photo_unet", "unet", "cae"])
@pytest.mark.parametrize("draw", [screenshot, printed, line_art, halftone])
def test_drawings_come_back_as_they_are(draw: Callable[[], np.ndarray], model: str) -> None:
    picture = draw()
    assert (denoise(picture, load_photo_denoiser(model, runtime="onnx")) == picture).all()


@pytest.mark.parametrize("photo", [camera, chelsea, rocket])
def test_clean_photographs_stay(photo: Callable[[], np.ndarray], default: PhotoDenoiser) -> None:
    picture = photo()
    assert psnr(picture, denoise(picture, default)) >= 45


@pytest.mark.parametrize(("model", "least"), [("photo_unet", 4), ("unet", 1), ("cae", 0)])
def test_weak_noise_is_removed_without_harm(model: str, least: float) -> None:
    """By every network, though most were not made for noise this weak."""
    clean = chelsea()
    noisy = (clean + np.random.default_rng(0).normal(0, 5, clean.shape)).round().clip(0, 255).astype(np.uint8)
    result = denoise(noisy, load_photo_denoiser(model, runtime="onnx"))
    assert psnr(clean, result) >= psnr(clean, noisy) + least


def test_strong_noise_is_not_faded(default: PhotoDenoiser) -> None:
    clean = chelsea() / np.float32(255)
    noisy = (clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)).clip(0, 1).astype(np.float32)
    height, width = (side // 8 * 8 for side in clean.shape[:2])
    clean, noisy = clean[:height, :width], noisy[:height, :width]
    whole = default.runtime.run(noisy.transpose(2, 0, 1)[None], None)[0].transpose(1, 2, 0)
    kept = psnr(clean, denoise(noisy, default), data_range=1)
    assert abs(kept - psnr(clean, whole.clip(0, 1), data_range=1)) <= 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_fade_equals_the_wiener_share(channels: int) -> None:
    """Against scipy's box mean, away from the edges, where it is taken over what there is."""
    removed = np.random.default_rng(0).normal(0, 0.1, (channels, 150, 90)).astype(np.float32)
    removed[:, :, :45] *= 0.1
    limits = FadeLimits(0.002, 0.004)
    grey = removed if channels == 1 else np.tensordot(LUMA, removed, 1)[None]

    def share(planes: np.ndarray, limit: float) -> np.ndarray:
        mean = uniform_filter((planes.astype(np.float64) ** 2).mean(0), 2 * REACH + 1)
        return np.asarray(np.minimum(1, limit / mean))

    expected = 0.75 * share(grey, limits.luma) * grey
    if channels == 3:
        expected = expected + 0.5 * share(removed - grey, limits.chroma) * (removed - grey)
    result = fade(removed, limits, 0.75, 0.5)
    inside = (slice(None), slice(REACH, -REACH), slice(REACH, -REACH))
    assert np.abs(result - expected)[inside].max() < 1e-6
    assert (fade(removed, FadeLimits(0, 0), 1, 1) == 0).all()


def test_limits_grow_with_the_noise_and_the_trust() -> None:
    none = Noise((0.0,), 0.0, 0.0, 0.0)
    assert limits_of(none, PREDICTS_NOISE) == limits_of(none, UNET) == FadeLimits(0, 0)
    sizes = [limits_of(Noise((s,), s, s, s), UNET).luma for s in (0.001, 0.005, 0.02, 0.1, 0.2)]
    assert sizes == sorted(sizes)
    noise = Noise((0.02,), 0.02, 0.02, 0.02)
    assert limits_of(noise, PREDICTS_NOISE).luma > limits_of(noise, UNET).luma > 0.02**2


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".png", {}), (".tif", {}), (".bmp", {}), (".webp", {"quality": 100})],
)
def test_pixels_without_noise_are_kept_in_the_file(
    suffix: str, options: Any, default: PhotoDenoiser, tmp_path: Path
) -> None:
    picture = screenshot()
    Image.fromarray(picture).save(tmp_path / "a.png")
    output = tmp_path / f"b{suffix}"
    result = denoise_file(
        tmp_path / "a.png", output, default, Settings(Controls(), **options), lambda share: None
    )
    with Image.open(output) as image:
        assert (np.asarray(image.convert("RGB")) == picture).all()
    assert any("no noise was found" in note for note in result.notes)


def test_a_network_that_would_lose_is_told(tmp_path: Path) -> None:
    clean = chelsea()
    noisy = clean + np.random.default_rng(0).normal(0, 3, clean.shape)
    Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    for model, extra in (("cae", True), ("photo_unet", False)):
        denoiser, output = load_photo_denoiser(model, runtime="onnx"), tmp_path / f"{model}.png"
        result = denoise_file(tmp_path / "a.png", output, denoiser, Settings(Controls()), lambda share: None)
        assert any("photo_unet" in note for note in result.notes) == extra
