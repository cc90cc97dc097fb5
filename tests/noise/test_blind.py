"""The `blind` mixture."""

from __future__ import annotations

import pytest
import torch

from denoise_cli.noise.apply import add_noise
from denoise_cli.noise.blind import IMPULSE_MAX, SIGMA_MAX, _correlated, _draw_levels
from denoise_cli.noise.spec import parse_noise

COUNT = 4000


def test_shares_of_basic_and_intense() -> None:
    levels = _draw_levels(COUNT, torch.Generator().manual_seed(0))
    plain = (levels.gain == 0) & (levels.blur == 0) & ~levels.grey & levels.clip & (levels.quality == 0)
    basic = plain & (levels.sigma == 0.2) & (levels.black == 0) & (levels.white == 0)
    intense = plain & (levels.sigma == 0.4) & (levels.black == 0.05) & (levels.white == 0.05)
    assert float(basic.float().mean()) == pytest.approx(0.2, abs=0.02)
    assert float(intense.float().mean()) == pytest.approx(0.2, abs=0.02)


def test_levels_stay_in_their_ranges_and_every_kind_occurs() -> None:
    levels = _draw_levels(COUNT, torch.Generator().manual_seed(1))
    assert float(levels.sigma.min()) >= 0 and float(levels.sigma.max()) <= SIGMA_MAX
    assert float(levels.black.max()) <= IMPULSE_MAX and float(levels.white.max()) <= IMPULSE_MAX
    used = levels.quality[levels.quality > 0]
    assert float(used.min()) >= 30 and float(used.max()) <= 95
    for kind in (levels.gain > 0, levels.blur > 0, levels.grey, ~levels.clip, levels.quality > 0):
        assert 0.03 < float(kind.float().mean()) < 0.4
    almost_clean = (levels.sigma <= 0.02) & (levels.gain == 0) & (levels.black == 0)
    assert 0.04 < float(almost_clean.float().mean()) < 0.1


def test_noise_follows_from_the_generator_alone() -> None:
    x = torch.rand(32, 3, 40, 24, generator=torch.Generator().manual_seed(5))
    first, again = (add_noise(x, parse_noise("blind"), torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == x.shape and bool(first.isfinite().all())


def test_clean_pictures_are_not_changed() -> None:
    x = torch.rand(64, 3, 16, 16)
    before = x.clone()
    add_noise(x, parse_noise("blind"), torch.Generator().manual_seed(0))
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", [(1, 1), (3, 50)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    x = torch.rand(40, 3, *size)
    assert add_noise(x, parse_noise("blind"), torch.Generator().manual_seed(0)).shape == x.shape


def test_correlated_noise_is_as_strong_at_the_borders() -> None:
    """Blurring noise without what lies beyond the border would make it stronger there."""
    generator = torch.Generator().manual_seed(0)
    noise = _correlated(
        torch.Size((2000, 3, 12, 12)), torch.full((2000,), 1.0), generator, torch.device("cpu")
    )
    assert float((noise.std((0, 1)) - 1).abs().max()) < 0.06
