"""Classical methods tuned on train pairs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.filters import gaussian

from denoise_cli.config import TestDataConfig
from denoise_cli.data.load import load_dataset
from denoise_cli.errors import DataError
from denoise_cli.evaluation.comparison import classical
from denoise_cli.evaluation.comparison.classical import CLEANERS, Classical, classical_method
from denoise_cli.evaluation.comparison.tuning import (
    CROPS,
    REAL_AXES,
    SIDE,
    count_settings,
    training_crops,
    tune,
    tune_on_pairs,
)


def write(root: Path, split: str, count: int, size: tuple[int, int] = (64, 80), sigma: float = 9) -> None:
    rng = np.random.default_rng(len(split))
    for half in ("noisy", "clean"):
        (root / split / half).mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(30, 226, (5, 5, 3), dtype=np.uint8))
        clean = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))
        noisy = (clean + rng.normal(0, sigma, clean.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(clean).save(root / split / f"clean/{number}.png")
        Image.fromarray(noisy).save(root / split / f"noisy/{number}.png")


def test_the_best_of_the_grid_is_found() -> None:
    """Against scikit-image's Gaussian and numpy, setting by setting."""
    rng = np.random.default_rng(0)
    clean = np.asarray(Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((40, 40)))
    clean = clean / 255
    noisy = (clean + rng.normal(0, 0.1, clean.shape)).clip(0, 1)
    sigmas = [0.3, 0.6, 0.9, 1.2, 2.5]
    scores = [
        -10 * np.log10(np.mean((gaussian(noisy, sigma, channel_axis=-1, mode="reflect") - clean) ** 2))
        for sigma in sigmas
    ]
    pair = tuple(torch.from_numpy(x.transpose(2, 0, 1))[None].float() for x in (noisy, clean))
    tried: list[Any] = []
    settings, value = tune("gaussian", {"sigma": sigmas}, [pair], tried.append)  # type: ignore[list-item]
    best = int(np.argmax(scores))
    assert 0 < best < len(sigmas) - 1
    assert settings == {"sigma": sigmas[best]}
    assert value == pytest.approx(scores[best], abs=1e-3)
    assert tried == [1] * len(sigmas)


def test_crops_are_spread_over_every_pair(tmp_path: Path) -> None:
    write(tmp_path, "train", 3, size=(300, 420))
    crops = training_crops(load_dataset(str(tmp_path), "train", max_bytes=0))
    assert len(crops) == CROPS // 3 * 3
    for noisy, clean in crops:
        assert noisy.shape == clean.shape == (1, 3, SIDE, SIDE)
        # Of one place: their difference is the noise alone.
        assert float((noisy - clean).std()) < 0.05
    assert len({crop.numpy().tobytes() for _, crop in crops}) == len(crops)


def test_small_pairs_are_taken_whole_and_unreadable_ones_left_out(tmp_path: Path) -> None:
    write(tmp_path, "train", 40)
    broken = tmp_path / "train/noisy/0.png"
    broken.write_bytes(broken.read_bytes()[:-500])
    crops = training_crops(load_dataset(str(tmp_path), "train", limit=CROPS, max_bytes=0))
    assert len(crops) == CROPS - 1
    assert {noisy.shape for noisy, _ in crops} == {(1, 3, 64, 80)}
    for path in (tmp_path / "train/clean").iterdir():
        path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="no readable train pairs"):
        training_crops(load_dataset(str(tmp_path), "train", max_bytes=0))


def test_every_method_that_can_run_is_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classical, "_is_installed", lambda method: False)
    write(tmp_path, "train", 2)
    write(tmp_path, "test", 1)
    seen: list[int] = []
    tuned = tune_on_pairs(TestDataConfig(dataset=str(tmp_path)), seen.append)
    assert sum(seen) == count_settings()
    assert set(tuned.settings) == set(classical.methods()) == set(CLEANERS) - {"opencv nlm", "bm3d"}
    source = load_dataset(str(tmp_path), "test")
    assert source.noisy is not None
    noisy, clean = (half.image(0)[None].float() / 255 for half in (source.noisy, source))
    for method, settings in tuned.settings.items():
        assert all(value in REAL_AXES[method][name] for name, value in settings.items())
        cleaned = classical_method(method, "real", tuned.settings)[0](noisy)
        assert (cleaned - clean).square().mean() < (noisy - clean).square().mean()
    assert "2 train pairs" in tuned.note


def test_without_train_pairs_the_nearest_settings_are_taken(tmp_path: Path) -> None:
    write(tmp_path, "test", 1)
    (tmp_path / "test").rename(tmp_path / "pairs")
    tuned = tune_on_pairs(TestDataConfig(dataset=str(tmp_path / "pairs")), lambda count: None)
    assert tuned.settings == {} and "no train pairs" in tuned.note
    _, settings = classical_method("nlm", "real", tuned.settings)
    assert settings == classical.TUNED["nlm"]["gaussian:0.05"]
    assert any("gaussian:0.05" in line for line in classical.notes(["real"]))


def test_opencv_is_called_as_it_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 bits, blue first, `h` of 255 twice, windows of 7 and 21 pixels."""
    calls = []

    def clean_up(picture: np.ndarray, *arguments: object) -> np.ndarray:
        calls.append((picture, arguments))
        return picture

    fake = ModuleType("cv2")
    fake.fastNlMeansDenoisingColored = clean_up  # type: ignore[attr-defined]
    fake.setNumThreads = lambda count: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", fake)
    x = torch.randint(0, 256, (1, 3, 12, 14)).float() / 255
    torch.testing.assert_close(Classical(CLEANERS["opencv nlm"], {"h": 5})(x), x)
    ((picture, arguments),) = calls
    assert arguments == (None, 5, 5, 7, 21)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0], (x[0, 2] * 255).round().numpy())


def test_opencv_itself_removes_noise(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    write(tmp_path, "test", 1)
    source = load_dataset(str(tmp_path), "test")
    assert source.noisy is not None
    noisy, clean = (half.image(0)[None].float() / 255 for half in (source.noisy, source))
    cleaned = Classical(CLEANERS["opencv nlm"], {"h": 10})(noisy)
    assert (cleaned - clean).square().mean() < 0.6 * (noisy - clean).square().mean()
