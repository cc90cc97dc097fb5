"""Photos cleaned by networks of other programs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from denoise_cli import denoise, load_model
from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.external.load import load_external
from denoise_cli.external.network import set_sigma
from denoise_cli.photo.runtimes.external import ExternalRuntime
from tests.conftest import Command

FACTORIES = """
import torch
from torch import nn
class Blur(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.pool = nn.AvgPool2d(side, 1, side // 2, count_include_pad=False)
    def forward(self, x):
        return self.pool(x)
def small(): return Blur(5)
def wide(): return Blur(81)
class Half(nn.Module):
    def forward(self, x):
        return x[..., ::2, ::2]
def half(): return Half()
"""


@pytest.fixture(autouse=True)
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_elsewhere.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "made_elsewhere", raising=False)
    monkeypatch.chdir(tmp_path)


def noisy_photo(sigma: float = 20, height: int = 300, width: int = 512) -> np.ndarray:
    clean = skimage.data.astronaut()[:height, :width]
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    noisy: np.ndarray = (clean + noise).clip(0, 255).astype(np.uint8)
    return noisy


def test_halos_are_measured() -> None:
    assert ExternalRuntime("made_elsewhere:small", "cpu").halo == 8
    assert ExternalRuntime("made_elsewhere:wide", "cpu").halo == 64


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["small", "wide"])
def test_tiles_agree_with_the_whole_photo(factory: str) -> None:
    denoiser = load_model(weights=f"made_elsewhere:{factory}", device="cpu")
    photo = noisy_photo()
    whole, tiles = (denoise(photo, denoiser, tile=tile) for tile in ("1024", "256"))
    assert np.abs(whole.astype(int) - tiles).max() <= 1
    assert np.abs(whole.astype(int) - photo).mean() > 5


def test_the_network_is_told_the_noise_of_the_photo(tmp_path: Path) -> None:
    """Once for the whole photo, so that all tiles get the same."""
    drunet = pytest.importorskip("spandrel.architectures.DRUNet").DRUNet
    torch.manual_seed(1)
    network = drunet(in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2).eval()
    torch.save(network.state_dict(), tmp_path / "drunet.pth")
    denoiser = load_model(weights="drunet.pth", device="cpu")
    assert denoiser.takes_level
    seen: list[float] = []
    run = denoiser.runtime.run

    def watched(window: np.ndarray, guidance: np.ndarray | None) -> np.ndarray:
        assert guidance is not None
        seen.append(guidance.item() * 255)
        return run(window, guidance)

    denoiser.runtime.run = watched  # type: ignore[method-assign]
    denoise(noisy_photo(20), denoiser, tile="256")
    assert len(seen) > 1 and len(set(seen)) == 1
    assert seen[0] == pytest.approx(20, rel=0.15)
    # It is what the network itself says with this level.
    window = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    external = load_external("drunet.pth")
    set_sigma(external.module, 0.1)
    with torch.inference_mode():
        expected = external.module(torch.from_numpy(window)).clamp(0, 1).numpy()
    level = np.full((1, 1, 1, 1), 0.1, np.float32)
    np.testing.assert_allclose(run(window, level), expected, atol=1e-6)


def test_the_noise_level_is_what_the_user_says(denoise: Command, tmp_path: Path) -> None:
    drunet = pytest.importorskip("spandrel.architectures.DRUNet").DRUNet
    torch.manual_seed(1)
    network = drunet(in_nc=4, out_nc=3, nc=[4, 8, 8, 8], nb=2).eval()
    network.m_head.weight.data[:, 3] *= 20  # The channel of the level; else 8 bits do not show it.
    torch.save(network.state_dict(), tmp_path / "x.pth")
    Image.fromarray(noisy_photo(height=64, width=64)).save(tmp_path / "a.png")
    results = []
    for number, options in enumerate(((), ("--sigma", "5"), ("--sigma", "90"))):
        done = denoise("denoise-image", "a.png", "--weights", "x.pth", *options, "-o", f"{number}.png")
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / f"{number}.png") as image:
            results.append(np.asarray(image))
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[1], results[2])


def test_the_command_line_takes_them(denoise: Command, tmp_path: Path) -> None:
    Image.fromarray(noisy_photo()).save(tmp_path / "a.png")
    done = denoise("denoise-image", "a.png", "--weights", "made_elsewhere:small", "-o", "b.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (512, 300)
    again = denoise("export", "cae", "-o", "cae.onnx")
    assert again.returncode == 0, again.stderr
    for weights, result in (("cae.onnx", "x.png"), ("cae-bn", "y.png")):
        options = ("--weights", weights, "--runtime", "torch", "-o", result)
        assert denoise("denoise-image", "a.png", *options).returncode == 0
    with Image.open(tmp_path / "x.png") as theirs, Image.open(tmp_path / "y.png") as ours:
        assert np.asarray(theirs).shape == np.asarray(ours).shape


def test_what_does_not_go_together(denoise: Command, tmp_path: Path) -> None:
    Image.fromarray(noisy_photo()).save(tmp_path / "a.png")
    given = ("denoise-image", "a.png", "-o", "b.png", "--weights", "made_elsewhere:small")
    for options, message in (
        (("--tile", "exact"), "no tile is exact"),
        (("--runtime", "onnx"), "which runs on torch"),
        (("--model", "unet"), "not a unet"),
        (("--sigma", "20"), "--sigma has no effect"),
    ):
        done = denoise(*given, *options)
        assert done.returncode != 0
        assert message in done.stderr.replace("\n", " ")
        assert not (tmp_path / "b.png").exists()
    with pytest.raises(WeightsError, match=r"128, 128\) of a picture of \(3, 256, 256"):
        load_model(weights="made_elsewhere:half", device="cpu")
    with pytest.raises(UsageError, match="no tile is exact"):
        denoise_small(noisy_photo(), tile="exact")


def denoise_small(photo: np.ndarray, **options: str) -> np.ndarray:
    return denoise(photo, load_model(weights="made_elsewhere:small", device="cpu"), **options)  # type: ignore[arg-type]
