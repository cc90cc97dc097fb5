"""Dark and linear pictures are brought into the range that networks know, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.data import camera

from denoise_cli import denoise
from denoise_cli.photo.pixels.stretch import Stretch, find_stretch
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser


@pytest.fixture(scope="module")
def default() -> PhotoDenoiser:
    return load_photo_denoiser(runtime="onnx")


def star_field() -> tuple[np.ndarray, np.ndarray]:
    """A linear sky of 16 bits with faint and saturated stars: truth and noisy."""
    rng = np.random.default_rng(0)
    sky = np.zeros((256, 256))
    places = rng.integers(8, 248, (60, 2))
    sky[places[:, 0], places[:, 1]] = 10 ** rng.uniform(-2.5, 0.8, 60)
    truth = (0.004 + gaussian_filter(sky, 1.6)).clip(0, 1)
    noisy = truth + rng.normal(0, 1, truth.shape) * np.sqrt(0.0004**2 + truth * 2e-5)
    return truth, np.rint(noisy.clip(0, 1) * 65535).astype(np.uint16)


def power_at(picture: np.ndarray, period: int) -> float:
    """Energy of rows and columns with this period, over that of frequencies near it."""
    spectrum = np.abs(np.fft.rfft(picture - picture.mean(1, keepdims=True), axis=1)).mean(0) ** 2
    place = picture.shape[1] // period
    near = np.r_[spectrum[place - 6 : place - 1], spectrum[place + 2 : place + 7]]
    return float(spectrum[place] / near.mean())


def test_a_star_field_has_no_grid_and_no_rings(default: PhotoDenoiser) -> None:
    truth, noisy = star_field()
    result = denoise(noisy, default) / 65535
    before, after = (((picture - truth) ** 2).mean() for picture in (noisy / 65535, result))
    assert after < before / 2
    for period in (4, 8):
        assert power_at(result, period) < max(2.0, 1.5 * power_at(noisy / 65535, period))
    bright = gaussian_filter((truth > 0.1).astype(float), 4) > 0.01
    ring = bright & (truth < 0.006)
    assert ring.sum() > 50
    assert abs((result - truth)[ring].mean()) < 0.0003
    # Peaks keep their height.
    peak = truth > 0.1
    assert peak.sum() > 10
    assert np.abs((result - truth)[peak]).max() < 0.02


def test_twelve_bits_in_sixteen(default: PhotoDenoiser) -> None:
    clean = np.repeat(camera()[..., None], 3, axis=2) / 255 * 4095
    clean = gaussian_filter(clean, (1, 1, 0))
    noisy = clean + np.random.default_rng(0).normal(0, 0.05 * 4095, clean.shape)
    noisy = noisy.round().clip(0, 4095).astype(np.uint16)
    before = ((noisy - clean) ** 2).mean()
    assert ((denoise(noisy, default) - clean) ** 2).mean() < before / 6
    # Like the same picture on the whole range.
    whole = denoise((noisy * 16).astype(np.uint16), default) / 16
    assert np.abs(denoise(noisy, default) - whole).mean() < 0.003 * 4095


@given(st.floats(0, 0.2), st.floats(0.3, 1), st.sampled_from([0.0, 1e-4, 0.01, 0.3]))
def test_the_way_back_is_the_inverse(low: float, high: float, softening: float) -> None:
    stretch = Stretch(low, high, softening)
    x = np.linspace(low, high, 1000, dtype=np.float32)
    y, one = stretch(x), np.ones(1, np.float32)
    assert (np.diff(y) >= 0).all()
    assert np.abs(stretch.restore(x, y, y, np.full(1, 0.01, np.float32)) - x).max() <= 0.01 + 1e-6
    assert y[0] == 0
    assert y[-1] == pytest.approx(1)
    assert np.abs(stretch.restore(x, y, y, one) - low).max() < 1e-4  # all of it removed
    assert (stretch.restore(x, y, np.zeros_like(y), one) == x).all()
    outside = np.array([0, 1], np.float32)
    assert (stretch.restore(outside, stretch(outside), np.zeros(2, np.float32), one) == outside).all()


def test_what_is_stretched() -> None:
    rng = np.random.default_rng(0)
    assert find_stretch(rng.random(10_000, np.float32), 1.0) is None
    linear = find_stretch(rng.random(10_000, np.float32) / np.float32(16), 1 / 16)
    assert linear is not None
    assert linear.softening == 0
    dark = rng.normal(0.01, 0.001, 10_000).clip(0).astype(np.float32)
    found = find_stretch(dark, 1.0)
    assert found is not None
    assert np.median(found(dark)) == pytest.approx(0.25, abs=0.01)
    assert find_stretch(np.full(100, 0.3, np.float32), 0.3) is None
    assert find_stretch(np.zeros(0, np.float32), 0.0) is None


def test_eight_bits_are_never_stretched(default: PhotoDenoiser) -> None:
    night = (np.random.default_rng(0).normal(4, 1, (64, 64)).round().clip(0, 255)).astype(np.uint8)
    night[30:34, 30:34] = 255
    from denoise_cli.photo.denoise_array import ArrayRows
    from denoise_cli.photo.first_look import take_first_look

    assert take_first_look(ArrayRows(night), None).stretch is None
    assert take_first_look(ArrayRows(night.astype(np.uint16) * 257), None).stretch is not None
