"""Augmentation moves pixels and changes none."""

from __future__ import annotations

import torch
from torch import Tensor

from denoise_cli.data.augment import flip, rotate, to_grey


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
