"""Guidance logits of test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from denoise_cli.data.load import load_dataset
from denoise_cli.data.source import Images, ImageSource
from denoise_cli.errors import DataError
from denoise_cli.evaluation.scores import classification, scoring
from denoise_cli.evaluation.scores.classification import class_logits
from denoise_cli.evaluation.scores.guidance_logits import derangement, guidance_logits
from denoise_cli.models import build_denoiser
from denoise_cli.models.guidance import GuidanceSource
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.noise.spec import parse_noise

CPU = torch.device("cpu")
NOISE = parse_noise("basic")
CLASSES = ("ship", "cat", "airplane")


def model(source: GuidanceSource) -> GuidedUNet:
    torch.manual_seed(0)
    guided = build_denoiser("resnet_unet", num_classes=3, image_size=32, guidance=source).eval()
    assert isinstance(guided, GuidedUNet)
    return guided


@pytest.fixture
def images(image_folder: Path) -> Images:
    return load_dataset(str(image_folder), "test")


def many(count: int) -> ImageSource:
    return ImageSource.from_arrays(
        "many", [np.zeros((1, 1, 3), np.uint8)] * count, [str(i) for i in range(count)]
    )


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 40), seed=st.integers(0, 1000))
def test_every_image_gets_another_ones_logits(count: int, seed: int) -> None:
    other = derangement(many(count), seed)
    assert sorted(other.tolist()) == list(range(count))
    assert all(mine != theirs for mine, theirs in enumerate(other.tolist()))
    assert torch.equal(other, derangement(many(count), seed))


def test_the_seed_chooses_the_others() -> None:
    assert not torch.equal(derangement(many(40), 0), derangement(many(40), 1))
    with pytest.raises(DataError, match="has only one"):
        derangement(many(1), 0)


def test_shuffled_is_told_what_another_noisy_image_shows(images: Images) -> None:
    guided = guidance_logits(model("shuffled"), CLASSES, images, NOISE, device=CPU, seed=7)
    seen = class_logits(model("shuffled").classifier, images, NOISE, device=CPU, seed=7)
    assert guided is not None
    for index, other in enumerate(derangement(images, 7).tolist()):
        assert torch.equal(guided[index], seen[other])


def test_the_oracle_is_told_by_name(images: Images) -> None:
    guided = guidance_logits(model("oracle"), CLASSES, images, NOISE, device=CPU)
    assert guided is not None
    named = [CLASSES[label] for label in guided.argmax(1).tolist()]
    assert named == [Path(name).parent.name for name in images.names]
    for source in ("predicted", "zero", "features"):
        assert guidance_logits(model(source), CLASSES, images, NOISE, device=CPU) is None
    with pytest.raises(DataError, match="does not know airplane"):
        guidance_logits(model("oracle"), ("ship", "cat", "frog"), images, NOISE, device=CPU)


@pytest.mark.parametrize("source", ["shuffled", "oracle"])
def test_scores_do_not_depend_on_the_batch(
    images: Images, monkeypatch: pytest.MonkeyPatch, source: GuidanceSource
) -> None:
    denoiser = model(source)
    # Fresh weights hardly listen; these do, so that a wrong picture's logits would be seen.
    assert isinstance(denoiser.embed, torch.nn.Linear)
    torch.nn.init.normal_(denoiser.embed.weight, std=30000)
    found, guided = [], []
    for size in (64, 3):
        monkeypatch.setattr(scoring, "BATCH", size)
        monkeypatch.setattr(classification, "BATCH", size)
        logits = guidance_logits(denoiser, CLASSES, images, NOISE, device=CPU)
        assert logits is not None
        guided.append(logits)
        found.append(scoring.score(denoiser, images, NOISE, device=CPU, logits=logits).psnr)
    torch.testing.assert_close(guided[0], guided[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=0)
    others = scoring.score(denoiser, images, NOISE, device=CPU, logits=guided[0].roll(1, 1))
    assert (found[0] - others.psnr).abs().max() > 3e-4
