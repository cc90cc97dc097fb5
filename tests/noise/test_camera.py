"""`camera` and `correlated` against what was measured on real pairs, and against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from denoise_cli.noise.apply import add_noise, add_test_noise
from denoise_cli.noise.bayer import demosaic
from denoise_cli.noise.blur import gaussian_blur, reach
from denoise_cli.noise.spec import parse_noise

LUMA = torch.tensor([0.299, 0.587, 0.114])
NAMES = ["camera", "correlated"]


def luma(noise: Tensor) -> Tensor:
    return torch.einsum("c,bchw->bhw", LUMA, noise).unsqueeze(1)


def autocorrelation(planes: Tensor, lag: int) -> Tensor:
    """Mean of the correlations at `lag` pixels down and across, one value per picture of (B, C, H, W)."""
    planes = planes - planes.mean((2, 3), keepdim=True)
    down = (planes[..., lag:, :] * planes[..., :-lag, :]).mean((1, 2, 3))
    across = (planes[..., lag:] * planes[..., :-lag]).mean((1, 2, 3))
    return (down + across) / 2 / planes.square().mean((1, 2, 3))


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """64 crops of a photograph, enlarged: as soft as those that cameras write."""
    photo = torch.from_numpy(np.array(data.astronaut())).permute(2, 0, 1)[None] / 255
    wide = torch.nn.functional.interpolate(photo, scale_factor=1.5, mode="bicubic").clamp(0, 1)
    crops = [wide[0, :, y : y + 96, x : x + 96] for y in range(0, 672, 84) for x in range(0, 672, 84)]
    return torch.stack(crops)


@pytest.fixture(scope="module")
def noise(photographs: Tensor) -> Tensor:
    return add_noise(photographs, parse_noise("camera"), torch.Generator().manual_seed(0)) - photographs


@pytest.mark.parametrize(
    ("part", "lag", "low", "high"),
    [
        # 32 real pairs: medians 0.58, 0.15, 0.05 of luma, 0.9, 0.79, 0.65, 0.38 of chroma, with
        # the mean of a whole picture taken off; of a crop, chroma's are a tenth lower.
        ("luma", 1, 0.4, 0.75),
        ("luma", 2, 0.0, 0.35),
        ("luma", 3, -0.1, 0.2),
        ("chroma", 1, 0.75, 0.95),
        ("chroma", 2, 0.5, 0.85),
        ("chroma", 3, 0.35, 0.7),
        ("chroma", 5, 0.1, 0.45),
    ],
)
def test_neighbours_are_as_alike_as_in_real_pictures(
    noise: Tensor, part: str, lag: int, low: float, high: float
) -> None:
    planes = luma(noise) if part == "luma" else noise - luma(noise)
    assert low < float(autocorrelation(planes, lag).median()) < high


def test_levels_of_luma_and_chroma(noise: Tensor) -> None:
    of_luma = luma(noise).flatten(1).std(1) * 255
    # Sharpening adds to the level, JPEG and rounding to the weakest.
    assert 0.9 < float(of_luma.min()) < 2.5 and 14 < float(of_luma.max()) < 35
    ratio = (noise - luma(noise)).square().mean((1, 2, 3)).sqrt() * 255 / of_luma
    assert 0.35 < float(ratio.median()) < 0.85


def test_one_level_can_be_asked_for(photographs: Tensor) -> None:
    noisy = add_noise(photographs, parse_noise("camera:5"), torch.Generator().manual_seed(1))
    of_luma = luma(noisy - photographs).flatten(1).std(1) * 255
    assert 4.2 < float(of_luma.median()) < 6.5


def test_the_noise_is_strongest_in_the_mid_tones() -> None:
    ramp = torch.linspace(0, 1, 256).expand(48, 3, 64, 256)
    noisy = add_noise(ramp, parse_noise("camera:4-8"), torch.Generator().manual_seed(2))
    deviation = luma(noisy - ramp).square().mean((0, 1, 2)).sqrt()
    middle = float(deviation[64:160].mean())
    assert middle > 1.25 * float(deviation[236:].mean())
    assert middle > 1.1 * float(deviation[:8].mean())


@pytest.mark.parametrize("name", ["camera:8", "correlated:8", "blind"])
def test_the_border_is_as_noisy_as_the_inside(name: str) -> None:
    """Noise that is blurred must not be padded: it would be stronger where padding repeats it."""
    x = torch.full((160, 3, 32, 32), 0.5)
    noisy = add_noise(x, parse_noise(name), torch.Generator().manual_seed(3))
    power = (noisy - x).square().mean((0, 1))
    border = torch.cat([power[0], power[-1], power[:, 0], power[:, -1]]).mean()
    corners = power[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    inside = power[8:-8, 8:-8].mean()
    assert float(border / inside) == pytest.approx(1, abs=0.12)
    assert float(corners / inside) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_noise_follows_from_the_generator_alone(name: str, photographs: Tensor) -> None:
    x = photographs[:6].clone()
    first, again = (add_noise(x, parse_noise(name), torch.Generator().manual_seed(4)) for _ in range(2))
    other = add_noise(x, parse_noise(name), torch.Generator().manual_seed(5))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(x, photographs[:6])


@pytest.mark.parametrize("name", NAMES)
def test_test_noise_does_not_depend_on_the_batch(name: str, photographs: Tensor) -> None:
    specs = parse_noise(name)
    whole = add_test_noise(photographs[:4], specs, range(4), 0)
    alone = torch.cat([add_test_noise(photographs[i : i + 1], specs, [i], 0) for i in range(4)])
    assert torch.equal(whole, alone)


@pytest.mark.parametrize("name", NAMES)
def test_the_result_is_an_8_bit_picture(name: str, photographs: Tensor) -> None:
    noisy = add_noise(photographs[:8], parse_noise(name), torch.Generator().manual_seed(6)) * 255
    assert float(noisy.min()) >= 0 and float(noisy.max()) <= 255
    assert float((noisy - noisy.round()).abs().max()) < 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 18)])
def test_tiny_pictures(name: str, size: tuple[int, int]) -> None:
    x = torch.rand(8, 3, *size, generator=torch.Generator().manual_seed(0))
    noisy = add_noise(x, parse_noise(name), torch.Generator().manual_seed(0))
    assert noisy.shape == x.shape and bool(noisy.isfinite().all())


@pytest.mark.parametrize("malvar", [False, True])
@pytest.mark.parametrize(
    "picture",
    [
        lambda y, x: torch.stack([0.2 + 0 * x, 0.5 + 0 * x, 0.9 + 0 * x]),
        lambda y, x: (0.01 * x + 0.02 * y).expand(3, *x.shape),
    ],
    ids=["constant colours", "a grey slope"],
)
def test_demosaicing_is_exact_where_it_must_be(
    picture: Callable[[Tensor, Tensor], Tensor], malvar: bool
) -> None:
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    rgb = picture(rows, columns)[None]
    mosaic = rgb[:, 1:2].clone()
    mosaic[..., ::2, ::2] = rgb[:, :1, ::2, ::2]
    mosaic[..., 1::2, 1::2] = rgb[:, 2:, 1::2, 1::2]
    found = demosaic(mosaic, torch.tensor([malvar]))
    torch.testing.assert_close(found[..., 2:-2, 2:-2], rgb[..., 2:-2, 2:-2])


def test_blur_is_that_of_scipy() -> None:
    from scipy.ndimage import gaussian_filter

    margin = reach(1.5)
    planes = torch.rand(2, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    blurred = gaussian_blur(planes, torch.tensor([0.0, 1.5]), margin)
    assert torch.allclose(blurred[0], planes[0, :, margin:-margin, margin:-margin])
    expected = gaussian_filter(planes[1, 0].numpy(), 1.5, radius=margin)[margin:-margin, margin:-margin]
    np.testing.assert_allclose(blurred[1, 0].numpy(), expected, atol=1e-6)


def test_noise_blurred_with_unit_energy_keeps_its_variance() -> None:
    white = torch.randn(2, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    out = gaussian_blur(white, torch.tensor([0.0, 1.0]), 4, unit_energy=True)
    assert torch.equal(out[0], white[0, :, 4:-4, 4:-4])
    assert float(out[1].std()) == pytest.approx(1, abs=0.03)
    # Two Gaussians of sigma 1, one pixel apart, overlap by exp(-1/4).
    assert float(autocorrelation(out[1:], 1)) == pytest.approx(0.7788, abs=0.03)
