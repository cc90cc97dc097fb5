"""What a step's images depend on: the seed and the step, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from denoise_cli.data.source import ImageSource
from denoise_cli.noise.spec import parse_noise
from denoise_cli.training.batches import Batches, WeightedSource, _pass_order, _row


def _source(count: int, size: int = 16) -> ImageSource:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]
    return ImageSource.from_arrays(
        "random", images, [str(i) for i in range(count)], labels=list(range(count))
    )


def _batches(
    batch_size: int = 8, rank: int = 0, world: int = 1, noise: str = "blind", seed: int = 0
) -> Batches:
    return Batches(
        (WeightedSource(_source(20), 12),),
        parse_noise(noise),
        batch_size,
        seed,
        torch.device("cpu"),
        rotate=True,
        grey=0.2,
        rank=rank,
        world=world,
    )


def test_a_step_is_the_same_whenever_it_is_drawn() -> None:
    first = _batches()
    second = _batches()
    _ = [second[step] for step in range(3)]
    assert torch.equal(first[5].noisy, second[5].noisy)
    assert not torch.equal(first[5].noisy, first[6].noisy)
    assert not torch.equal(first[5].noisy, _batches(seed=1)[5].noisy)


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_very_batch_of_one(world: int) -> None:
    whole = _batches()[3]
    shares = [_batches(rank=rank, world=world)[3] for rank in range(world)]
    assert torch.equal(torch.cat([s.noisy for s in shares]), whole.noisy)
    assert torch.equal(torch.cat([s.clean for s in shares]), whole.clean)


def test_three_processes_share_the_images_without_overlap() -> None:
    shares = [_batches(batch_size=6, rank=rank, world=3)[0] for rank in range(3)]
    labels = torch.cat([s.labels for s in shares if s.labels is not None])
    assert len(set(labels.tolist())) == 6


def test_every_image_comes_once_a_pass() -> None:
    source, batch = _source(20), 8
    drawn = torch.cat([_row(source, step * batch, batch, 3, _pass_order) for step in range(5)])
    assert len(drawn) == 40
    for start in (0, 20):
        assert sorted(drawn[start : start + 20].tolist()) == list(range(20))
    assert drawn[:20].tolist() != drawn[20:].tolist()


def test_a_batch_larger_than_the_data_set_takes_several_passes() -> None:
    assert sorted(_row(_source(3), 0, 9, 0, _pass_order).tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_noise_is_fresh_each_step_and_clean_is_clean() -> None:
    batches = _batches(noise="basic")
    residual = batches[0].noisy - batches[0].clean
    assert 0.1 < float(residual.std()) < 0.2  # sigma 0.2, clipped
    quiet = _batches(noise="gaussian:0")
    assert torch.equal(quiet[0].noisy, quiet[0].clean)
