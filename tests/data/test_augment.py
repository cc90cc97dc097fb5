"""Augmentation moves pixels and changes none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from denoise_cli.data.augment import enlarge, flip, rotate, to_grey


def pictures(count: int = 64) -> Tensor:
    return torch.arange(count * 3 * 4 * 4.0).view(count, 3, 4, 4)


def test_flip_mirrors_half_of_the_pictures() -> None:
    x = pictures()
    y = flip(x, torch.Generator().manual_seed(0))
    same = (y == x).flatten(1).all(1)
    mirrored = (y == x.flip(-1)).flatten(1).all(1)
    assert bool((same ^ mirrored).all()) and 16 < int(same.sum()) < 48


def test_rotate_turns_by_quarter_turns_and_all_four_occur() -> None:
    x = pictures()
    y = rotate(x, torch.Generator().manual_seed(0))
    turns = torch.stack([(y == x.rot90(k, (-2, -1))).flatten(1).all(1) for k in range(4)])
    assert bool((turns.sum(0) == 1).all()) and int(turns.sum(1).min()) > 5


def test_grey_pictures_have_equal_channels_and_the_rest_are_untouched() -> None:
    x = torch.rand(200, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    y = to_grey(x, 0.3, torch.Generator().manual_seed(0))
    grey = (y == y[:, :1]).flatten(1).all(1)
    assert 0.2 < float(grey.float().mean()) < 0.4
    assert torch.equal(y[~grey], x[~grey])
    luma = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    torch.testing.assert_close(y[grey][:, 0], luma[grey])


def test_pairs_turn_grey_together() -> None:
    x = torch.rand(40, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    y = to_grey(x, 0.5, torch.Generator().manual_seed(0))
    halves = [to_grey(half, 0.5, torch.Generator().manual_seed(0)) for half in x.chunk(2, 1)]
    assert torch.equal(y, torch.cat(halves, 1)) and not torch.equal(y, x)


def test_enlarged_pictures_are_parts_of_the_picture_and_softer() -> None:
    slope = torch.linspace(0, 1, 64).expand(200, 3, 64, 64)
    y = enlarge(slope, 3.0, 0.5, torch.Generator().manual_seed(0))
    changed = (y != slope).flatten(1).any(1)
    assert 0.4 < float(changed.float().mean()) < 0.6
    # A part of a slope is a slope, flatter by the factor, but for the ripple of the cubic kernel.
    inner = y[changed][..., 8:-8]
    steps = (inner[..., -1] - inner[..., 0]).mean((1, 2)) / (inner.shape[-1] - 1)
    factor = (1 / 63) / steps
    assert 1.05 < float(factor.min()) < 1.3 and 2.7 < float(factor.max()) < 3.1
    straight = (inner[..., 2:] - 2 * inner[..., 1:-1] + inner[..., :-2]).abs().max()
    assert float(straight) < 4e-3


def test_enlarging_by_a_known_factor_matches_pytorchs_interpolation() -> None:
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    y = enlarge(x, 1.1, 1.0, generator)
    # The factor is 1.1 for sure; the place is the one of all places that fits best.
    whole = torch.nn.functional.interpolate(x, scale_factor=1.1, mode="bicubic", align_corners=False)
    assert float(y.mean()) == pytest.approx(float(whole.mean()), abs=0.02)
    assert float(y.std()) == pytest.approx(float(whole.clamp(0, 1).std()), rel=0.1)
