"""Sources and injections of a guided U-Net."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from denoise_cli.models import build_denoiser, count_parameters
from denoise_cli.models.guidance import GuidanceInjection, GuidanceSource
from denoise_cli.models.guided import GuidedUNet, true_logits
from denoise_cli.models.unet.network import UNet, modulate

SOURCES: tuple[GuidanceSource, ...] = get_args(GuidanceSource)
INJECTIONS: tuple[GuidanceInjection, ...] = get_args(GuidanceInjection)


def guided(
    source: GuidanceSource, injection: GuidanceInjection = "concat", name: str = "resnet_unet"
) -> GuidedUNet:
    torch.manual_seed(0)
    model = build_denoiser(name, image_size=32, guidance=source, injection=injection).eval()
    assert isinstance(model, GuidedUNet)
    return model


def awake(model: GuidedUNet) -> GuidedUNet:
    """With an embedding that has learned something: FiLM's begins at zero."""
    torch.manual_seed(1)
    for parameter in model.embed.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 32, 48, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("injection", INJECTIONS)
@torch.inference_mode()
def test_zero_is_the_unet_alone(injection: GuidanceInjection) -> None:
    model, x = awake(guided("zero", injection)), pictures()
    without = torch.zeros(1, 32, 4, 6).expand(3, -1, -1, -1) if injection == "concat" else None
    assert torch.equal(model(x), model.unet.restore(x, without))
    assert torch.equal(model(x), model(x, logits=torch.rand(3, 10)))
    assert count_parameters(model) == count_parameters(guided("predicted", injection))


@pytest.mark.parametrize("injection", INJECTIONS)
@torch.inference_mode()
def test_the_oracle_is_told_the_class(injection: GuidanceInjection) -> None:
    model, x = awake(guided("oracle", injection)), pictures(1)
    one, other = (model(x, logits=true_logits(torch.tensor([label]), 10)) for label in (1, 2))
    assert not torch.equal(one, other)
    assert torch.equal(one, model(x, logits=true_logits(torch.tensor([1]), 10)))
    for mode in (True, False):
        with pytest.raises(ValueError, match="does not follow from the picture"):
            model.train(mode)(x)


def test_true_logits_stand_out_by_three() -> None:
    assert true_logits(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 3], [3, 0, 0]]


@pytest.mark.parametrize("injection", INJECTIONS)
@torch.inference_mode()
def test_shuffled_takes_the_logits_of_another_picture(injection: GuidanceInjection) -> None:
    model, x = awake(guided("shuffled", injection)), pictures()
    logits = model.classifier(x)
    others = logits[[2, 0, 1]]
    expected = model.guidance(x, others)
    assert torch.equal(model.train().guidance(x), expected)
    assert not torch.equal(expected, model.guidance(x, logits))
    with pytest.raises(ValueError, match="give logits"):
        model.eval()(x)


@pytest.mark.parametrize(("name", "channels", "side"), [("cnn_unet", 256, 4), ("resnet_unet", 128, 2)])
@torch.inference_mode()
def test_features_keep_their_grid(name: str, channels: int, side: int) -> None:
    model, x = guided("features", name=name), pictures()
    assert model.embed.weight.shape == (32, channels, 1, 1)
    assert model.guidance(x).shape == (3, 32, side, side)
    assert model(x).shape == x.shape
    # Features say where in the picture something is: a flipped picture has another map.
    assert not torch.allclose(model.guidance(x), model.guidance(x.flip(3)), atol=1e-4)


@pytest.mark.parametrize("source", SOURCES)
@torch.inference_mode()
def test_film_starts_without_effect(source: GuidanceSource) -> None:
    model, x = guided(source, "film"), pictures()
    logits = true_logits(torch.tensor([0, 1, 2]), 10) if source in {"oracle", "shuffled"} else None
    assert model.guidance(x, logits).shape == (3, 2 * (256 + 128), 1, 1)
    assert torch.equal(model(x, logits=logits), model.unet(x))
    if source != "zero":
        awake(model)
        assert not torch.equal(model(x, logits=logits), model.unet(x))


@torch.inference_mode()
def test_film_of_a_tile_is_that_of_the_photo() -> None:
    model, x = awake(guided("predicted", "film")), pictures(1)
    guidance = model.guidance(x)
    assert torch.equal(model(x), model(x, guidance.expand(-1, -1, 4, 6)))


def test_film_is_scale_and_shift() -> None:
    x, film = torch.rand(2, 3, 4, 5), torch.rand(2, 6, 1, 1)
    gamma, beta = film.numpy()[:, :3], film.numpy()[:, 3:]
    expected = (1 + gamma) * x.numpy() + beta
    np.testing.assert_allclose(modulate(x, film).numpy(), expected, rtol=1e-6)


def test_parameters_of_each_injection() -> None:
    plain = count_parameters(UNet())
    # The study's: 32 channels more into a 3x3 convolution of 128, and a linear layer.
    joined = plain + 32 * 128 * 9
    sizes = {
        (source, injection): count_parameters(
            build_denoiser("resnet_unet", guidance=source, injection=injection)
        )
        for source in SOURCES
        for injection in INJECTIONS
    }
    for source in SOURCES:
        seen = 128 if source == "features" else 10
        assert sizes[source, "film"] == plain + (seen + 1) * 768
        grid = (128 + 1) * 32 if source == "features" else (10 + 1) * 32 * 144
        assert sizes[source, "concat"] == joined + grid
    assert sizes["predicted", "concat"] == 2_030_160


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("injection", INJECTIONS)
def test_every_variant_learns_but_for_its_classifier(
    source: GuidanceSource, injection: GuidanceInjection
) -> None:
    model, x = awake(guided(source, injection)).train(), pictures()
    logits = true_logits(torch.tensor([0, 1, 2]), 10) if source == "oracle" else None
    (model(x, logits=logits) - x).square().mean().backward()
    assert all(parameter.grad is None for parameter in model.classifier.parameters())
    assert all(parameter.grad is not None for parameter in model.unet.parameters())
    moved = [float(p.grad.abs().max()) for p in model.embed.parameters() if p.grad is not None]
    assert len(moved) == 2
    assert (max(moved) > 0) == (source != "zero")
