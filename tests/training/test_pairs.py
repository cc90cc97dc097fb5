"""Training on pairs: their own noise is learned, and no other touches them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.config import ClassifyConfig, DataConfig, MixItem, RunConfig, TrainConfig
from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError, UsageError
from denoise_cli.noise.spec import parse_noise
from denoise_cli.runs import RunFolder
from denoise_cli.training.batches import Batches, WeightedSource
from denoise_cli.training.data import load_data
from denoise_cli.training.run import SilentReporter, train


def negatives(count: int = 8, size: tuple[int, int] = (20, 28)) -> ImageSource:
    """Pairs whose noisy halves are the exact negatives of the clean ones."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]
    names = [str(number) for number in range(count)]
    noisy = ImageSource.from_arrays("noisy", [255 - image for image in images], names)
    return replace(ImageSource.from_arrays("clean", images, names), noisy=noisy)


def write_patterned(root: Path, splits: tuple[str, ...] = ("train", "test")) -> Path:
    """Smooth pictures; the noisy halves are brighter and carry a chequered pattern."""
    rng = np.random.default_rng(1)
    pattern = np.where(np.indices((32, 32)).sum(0) % 2, 25, -25)[..., None] + 4
    for split in splits:
        for half in ("noisy", "clean"):
            (root / split / half).mkdir(parents=True)
        for number in range(8):
            coarse = Image.fromarray(rng.integers(60, 196, (4, 4, 3), dtype=np.uint8))
            clean = np.asarray(coarse.resize((32, 32), Image.Resampling.BILINEAR))
            Image.fromarray(clean).save(root / split / f"clean/{number}.png")
            Image.fromarray((clean + pattern).astype(np.uint8)).save(root / split / f"noisy/{number}.png")
    return root


def batches(*streams: WeightedSource, noise: str = "basic", rank: int = 0, world: int = 1) -> Batches:
    return Batches(
        streams, parse_noise(noise), 8, 0, torch.device("cpu"), rotate=True, grey=0.3, rank=rank, world=world
    )


@pytest.mark.parametrize("crop", [12, 24])
def test_pairs_get_no_other_noise_and_are_not_resampled(crop: int) -> None:
    drawn = batches(WeightedSource(negatives(), crop, rescale=0.5, enlarge=2.0, enlarge_share=1.0))
    for step in range(4):
        batch = drawn[step]
        mean = batch.noisy.mean((2, 3), keepdim=True)
        # The clean half has the mean of the noisy one, and is its negative otherwise.
        torch.testing.assert_close(batch.clean - mean, mean - batch.noisy, atol=2e-6, rtol=0)
        colourful = (batch.noisy[:, 0] != batch.noisy[:, 1]).flatten(1).any(1)
        values = batch.noisy[colourful] * 255
        torch.testing.assert_close(values, values.round(), atol=1e-4, rtol=0)
        assert 0 < int(colourful.sum()) <= 8


def test_a_mixture_adds_noise_to_single_pictures_alone() -> None:
    plain = replace(negatives(), noisy=None)
    mixed = batches(WeightedSource(negatives(), 12), WeightedSource(plain, 12))
    kinds = set()
    for step in range(12):
        batch = mixed[step]
        mean = batch.noisy.mean((2, 3), keepdim=True)
        is_pair = torch.allclose(batch.clean - mean, mean - batch.noisy, atol=2e-6)
        kinds.add(is_pair)
        if not is_pair:
            assert 0.08 < float((batch.noisy - batch.clean).std()) < 0.2  # sigma 0.2, clipped
    assert kinds == {True, False}


def test_processes_share_the_very_pairs_of_one() -> None:
    whole = batches(WeightedSource(negatives(), 12))[3]
    shares = [batches(WeightedSource(negatives(), 12), rank=rank, world=2)[3] for rank in range(2)]
    assert torch.equal(torch.cat([share.noisy for share in shares]), whole.noisy)
    assert torch.equal(torch.cat([share.clean for share in shares]), whole.clean)


def test_streamed_pairs_are_drawn_as_those_in_memory(tmp_path: Path) -> None:
    root = write_patterned(tmp_path)
    config = TrainConfig(model="cae", noise="real", data=DataConfig(dataset=str(root), crop=12, holdout=0))
    memory, disk = load_data(config), load_data(config, memory=0)
    kinds = {type(data.streams[0].source).__name__ for data in (memory, disk)}
    assert kinds == {"ImageSource", "StreamedSource"}
    order = torch.arange(8)
    one, other = (
        replace(batches(data.streams[0]), _order=lambda source, seed: order)[0] for data in (memory, disk)
    )
    assert torch.equal(one.noisy, other.noisy)
    assert torch.equal(one.clean, other.clean)


def test_a_run_learns_the_noise_of_its_pairs(tmp_path: Path) -> None:
    root = write_patterned(tmp_path / "pairs")
    config = TrainConfig(
        model="photo_unet",
        data=DataConfig(dataset=str(root), holdout=0),
        batch_size=8,
        steps=60,
        device="cpu",
        precision="fp32",
        validate_every=60,
        out=tmp_path / "run",
    )
    assert train(config, SilentReporter()) is not None
    run = RunFolder(tmp_path / "run")
    # Nothing named a noise: the pairs did.
    assert "noise: real" in run.config.read_text()
    scores = [event["psnr"] for event in run.events() if event["event"] == "validation"]
    noisy = 20 * np.log10(255 / np.sqrt(25**2 + 4**2))
    # The pattern can be learned; the other exposure cannot, and its 4 of 255 stay.
    assert noisy + 8 < scores[-1] < 20 * np.log10(255 / 4) + 0.5


def test_what_pairs_validate(tmp_path: Path, image_folder: Path) -> None:
    pairs = write_patterned(tmp_path / "pairs")
    mix = (MixItem(dataset=str(pairs)), MixItem(dataset=str(image_folder)))

    def load(**fields: object) -> tuple[bool, list[bool]]:
        data = load_data(TrainConfig.model_validate({"model": "cae", **fields}))
        return data.validation.noisy is not None, [s.source.noisy is not None for s in data.streams]

    assert load(data={"mix": mix}, validate_noise="real") == (True, [True, False])
    assert load(data={"mix": mix}) == (False, [True, False])
    # A single data set with a noise of its own choosing gives its clean halves.
    assert load(data={"dataset": str(pairs)}, noise="basic") == (False, [False])
    with pytest.raises(DataError, match="needs pictures without partners") as caught:
        load(data={"mix": mix[:1]})
    assert "validate_noise=real" in caught.value.hint


def test_real_noise_needs_pairs(image_folder: Path) -> None:
    data = DataConfig(dataset=str(image_folder))
    configs: tuple[RunConfig, ...] = (
        TrainConfig(model="cae", noise="real", data=data),
        ClassifyConfig(model="cnn", noise="real", data=data),
    )
    for config in configs:
        with pytest.raises(DataError, match="holds no pairs") as caught:
            load_data(config)
        assert "noisy/" in caught.value.hint
    for mixture in ("real+basic", {"real": 1, "basic": 2}, "0.5*real+0.5*camera"):
        with pytest.raises(UsageError, match="cannot be mixed by name"):
            TrainConfig.model_validate({"model": "cae", "noise": mixture})
