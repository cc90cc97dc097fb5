"""PSNR and SSIM against scikit-image, the study's protocol against its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.metrics import paper_psnr, paper_ssim, psnr, ssim

sides = st.integers(11, 60)


def pair(shape: tuple[int, ...], sigma: float, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator)
    return x, (x + sigma * torch.randn(shape, generator=generator)).clamp(0, 1)


def expect_scikit_image(x: Tensor, y: Tensor) -> None:
    for index, (got_psnr, got_ssim) in enumerate(zip(psnr(x, y), ssim(x, y), strict=True)):
        a, b = (v[index].permute(1, 2, 0).double().numpy() for v in (x, y))
        assert float(got_psnr) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-4)
        want = structural_similarity(
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
        assert float(got_ssim) == pytest.approx(want, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(sides, sides, st.integers(1, 3), st.sampled_from([0.001, 0.05, 0.5]), st.integers(0, 99))
def test_random_pictures(height: int, width: int, batch: int, sigma: float, seed: int) -> None:
    expect_scikit_image(*pair((batch, 3, height, width), sigma, seed))


@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_real_pictures_of_several_tiles(sigma: float) -> None:
    for picture in (data.astronaut(), data.coffee()[:263, :530]):
        clean = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
        expect_scikit_image((clean + sigma * noise).clamp(0, 1), clean)


def test_a_picture_scores_the_same_alone_and_in_a_batch() -> None:
    x, y = pair((9, 3, 96, 96), 0.1, 0)
    alone = torch.cat([ssim(x[i : i + 1], y[i : i + 1]) for i in range(9)])
    torch.testing.assert_close(ssim(x, y), alone, rtol=0, atol=1e-6)


def test_equal_pictures() -> None:
    x = torch.rand(1, 3, 20, 20)
    assert float(psnr(x, x)) == float("inf")
    assert float(ssim(x, x)) == pytest.approx(1)


def test_grey_pictures_and_flat_ones() -> None:
    expect_scikit_image(*pair((1, 1, 30, 20), 0.1, 3))
    expect_scikit_image(torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.52))


def test_pictures_smaller_than_the_window() -> None:
    with pytest.raises(ValueError, match="11x11"):
        ssim(torch.rand(1, 3, 10, 40), torch.rand(1, 3, 10, 40))


def test_the_studys_psnr_pools_the_batch() -> None:
    x, y = pair((5, 3, 24, 24), 0.3, 2)
    y[0] = x[0]
    want = 10 * np.log10(1 / np.mean((x.double() - y.double()).numpy() ** 2))
    assert float(paper_psnr(x, y)) == pytest.approx(want, abs=1e-4)
    assert float(psnr(x, y).mean()) == float("inf")


def test_the_studys_ssim_pads_with_zeros() -> None:
    x, y = pair((3, 3, 24, 40), 0.2, 4)
    assert float(paper_ssim(x, y)) == pytest.approx(direct_ssim(x.double(), y.double()), abs=1e-5)


def direct_ssim(x: Tensor, y: Tensor) -> float:
    """Wang et al. (2004) written out: one 2-D window, zero padding, mean over the batch."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = torch.from_numpy(np.outer(taps, taps) / np.outer(taps, taps).sum()).view(1, 1, 11, 11)

    def mean(z: Tensor) -> Tensor:
        return F.conv2d(z.reshape(-1, 1, *z.shape[-2:]), window, padding=5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float(((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "f4", ">f8"])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3)])
def test_arrays_score_as_tensors_do(dtype: str, shape: tuple[int, ...]) -> None:
    kind = np.dtype(dtype)
    white = np.iinfo(kind).max if kind.kind == "u" else 1
    x, y = (np.random.default_rng(seed).random(shape) for seed in (0, 1))
    a, b = ((v * white).astype(kind) for v in (x, y))
    tensors = [
        torch.from_numpy(np.atleast_3d(v.astype(float) / white)).permute(2, 0, 1)[None] for v in (a, b)
    ]
    assert psnr(a, b) == pytest.approx(float(psnr(*tensors)), abs=1e-9)
    assert ssim(a, b) == pytest.approx(float(ssim(*tensors)), abs=1e-9)
    assert type(psnr(a, b)) is type(ssim(a, b)) is float
    assert psnr(a, a[::-1, ::-1][::-1, ::-1]) == float("inf")
    batch = np.concatenate([v.numpy() for v in tensors])
    swapped = np.ascontiguousarray(batch[::-1])
    assert psnr(batch, swapped) == pytest.approx([psnr(a, b)] * 2)
    assert ssim(batch, swapped).shape == (2,)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_what_is_no_pair_of_pictures_is_refused(score: Any) -> None:
    batch, picture = torch.rand(1, 3, 20, 20), np.zeros((20, 20, 3), np.uint8)
    for x, y in (
        (batch, batch.numpy()),
        (picture, [[0]]),
        ("a.png", "b.png"),
        (None, batch),
        (picture, Image.new("RGB", (20, 20))),
    ):
        with pytest.raises(TypeError, match="must be a"):
            score(x, y)
    for x, y in (
        (batch, batch[:, :1]),
        (batch[0], batch[0]),
        ((255 * batch).byte(), (255 * batch).byte()),  # Their difference would wrap.
        (picture, picture[..., :1]),
        (picture, picture / 255),
        (picture.astype(int), picture.astype(int)),
        (picture[0, 0], picture[0, 0]),
        (picture[:0], picture[:0]),
    ):
        with pytest.raises(ValueError, match="must"):
            score(x, y)
