"""`basic`, `intense`, `gaussian:S` and `awgn:S` against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from denoise_cli.noise.apply import add_noise, add_test_noise
from denoise_cli.noise.spec import parse_noise


def noisy(name: str, level: float = 0.5, shape: tuple[int, ...] = (4, 3, 128, 128)) -> Tensor:
    return add_noise(torch.full(shape, level), parse_noise(name), torch.Generator().manual_seed(7))


def below(value: float, mean: float, sigma: float) -> float:
    return 0.5 * math.erfc((mean - value) / (sigma * math.sqrt(2)))


@pytest.mark.parametrize(("name", "sigma"), [("basic", 0.2), ("gaussian:0.1", 0.1), ("awgn:25", 25 / 255)])
def test_the_standard_deviation_is_the_one_asked_for(name: str, sigma: float) -> None:
    # The median absolute deviation does not see what clipping does to the tails.
    deviation = (noisy(name) - 0.5).abs().median()
    assert float(deviation) / 0.67449 == pytest.approx(sigma, rel=0.01)


def test_basic_is_clipped_and_awgn_is_not() -> None:
    dark = noisy("basic", level=0.1)
    assert float(dark.min()) == 0 and float(dark.max()) <= 1
    assert float((dark == 0).float().mean()) == pytest.approx(below(0, 0.1, 0.2), abs=0.01)
    free = noisy("awgn:50", level=0.0)
    assert float(free.mean()) == pytest.approx(0, abs=0.002)
    assert float(free.std()) == pytest.approx(50 / 255, rel=0.01)


def test_intense_turns_five_percent_black_and_five_percent_white_after_clipping() -> None:
    pixels = noisy("intense")
    tail = below(0, 0.5, 0.4)
    assert float((pixels == 0).float().mean()) == pytest.approx(0.05 + 0.9 * tail, abs=0.005)
    assert float((pixels == 1).float().mean()) == pytest.approx(0.05 + 0.9 * tail, abs=0.005)
    # Impulses strike each colour value by itself: all three of a pixel are hit rarely.
    bright = noisy("intense", level=-9.0)
    assert float((bright == 1).float().mean()) == pytest.approx(0.05, abs=0.003)
    assert float((bright == 1).all(1).float().mean()) == pytest.approx(0.05**3, abs=3e-4)


def test_colour_values_are_independent() -> None:
    noise = (noisy("awgn:25") - 0.5).transpose(0, 1).flatten(1)
    off_diagonal = torch.corrcoef(noise) - torch.eye(3)
    assert float(off_diagonal.abs().max()) < 0.02


def test_a_range_draws_one_level_per_picture() -> None:
    levels = noisy("awgn:0-75", shape=(64, 3, 48, 48)).flatten(1).std(1) * 255
    assert 0 <= float(levels.min()) < 10 and 65 < float(levels.max()) < 77
    assert float(levels.mean()) == pytest.approx(37.5, abs=10)


def test_several_noises_share_the_pictures() -> None:
    pictures = noisy("awgn:1+awgn:100", shape=(200, 3, 16, 16))
    strong = (pictures.flatten(1).std(1) > 0.1).float().mean()
    assert 0.35 < float(strong) < 0.65


def test_fresh_noise_follows_from_the_generator_alone() -> None:
    assert torch.equal(noisy("intense"), noisy("intense"))
    generator = torch.Generator().manual_seed(7)
    x = torch.full((1, 3, 8, 8), 0.5)
    first, second = (add_noise(x, parse_noise("basic"), generator) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ["basic", "intense", "blind", "awgn:15", "basic+intense"])
def test_test_noise_depends_on_seed_and_index_alone(name: str) -> None:
    specs = parse_noise(name)
    x = torch.rand(6, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    whole = add_test_noise(x, specs, range(6), seed=3)
    order = [4, 1, 5]
    assert torch.equal(add_test_noise(x[order], specs, order, seed=3), whole[order])
    assert torch.equal(add_test_noise(x[2:3], specs, [2], seed=3), whole[2:3])
    assert not torch.equal(add_test_noise(x[2:3], specs, [2], seed=4), whole[2:3])
