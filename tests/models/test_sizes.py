"""Any height and width; guidance; the frozen classifier."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from denoise_cli.errors import UnknownName
from denoise_cli.models import DENOISERS, build_classifier, build_denoiser
from denoise_cli.models.guidance import GUIDANCE_CHANNELS
from denoise_cli.models.layers import pad_to_multiple

GUIDED = [name for name, info in DENOISERS.items() if info.classifier]
PLAIN = [name for name in DENOISERS if name not in GUIDED]


def fresh(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return build_denoiser(name, **options).eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 400), (17, 16), (33, 50)])
@pytest.mark.parametrize("name", DENOISERS)
@torch.inference_mode()
def test_any_size_is_kept(name: str, size: tuple[int, int]) -> None:
    out = fresh(name)(torch.rand(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert bool(out.isfinite().all()) and float(out.min()) >= 0 and float(out.max()) <= 1


@pytest.mark.parametrize("name", PLAIN)
@torch.inference_mode()
def test_at_the_studys_size_nothing_is_padded(name: str) -> None:
    model, x = fresh(name), torch.rand(1, 3, 96, 96)
    assert torch.equal(model(x), model.restore(x))


@pytest.mark.parametrize("name", GUIDED)
@torch.inference_mode()
def test_guidance_is_computed_from_the_picture_unless_given(name: str) -> None:
    model = fresh(name)
    for size in ((96, 96), (40, 70)):
        x = torch.rand(1, 3, *size)
        guidance = model.guidance(x)
        assert guidance.shape == (1, GUIDANCE_CHANNELS, 12, 12)
        assert torch.equal(model(x), model(x, guidance))
        assert not torch.equal(model(x), model(x, guidance + 5))


@torch.inference_mode()
def test_a_guided_model_for_cifar10_has_a_smaller_grid() -> None:
    model = fresh("cnn_unet", image_size=32)
    assert model.guidance(torch.rand(1, 3, 32, 32)).shape[-2:] == (4, 4)
    assert model(torch.rand(1, 3, 50, 32)).shape == (1, 3, 50, 32)


@pytest.mark.parametrize("name", GUIDED)
def test_the_classifier_does_not_drift_while_the_unet_learns(name: str) -> None:
    model: Any = build_denoiser(name).train()
    assert not any(module.training for module in model.classifier.modules())
    assert model.unet.training
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    x = torch.rand(2, 3, 32, 32)
    (model(x) - x).square().mean().backward()
    optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert not any(key.startswith("classifier.") for key in changed)
    assert "embed.weight" in changed and any("running_mean" in key for key in changed)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@torch.inference_mode()
def test_a_classifier_sees_the_whole_picture_resized(name: str) -> None:
    model = build_classifier(name).eval()
    picture = torch.rand(1, 3, 240, 150)
    shrunk = nn.functional.interpolate(picture, (96, 96), mode="bilinear", antialias=True)
    assert torch.equal(model(picture), model(shrunk))
    assert model(picture).shape == (1, 10)


def test_a_classifier_is_built_for_multiples_of_eight() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        build_classifier("cnn", image_size=50)


def test_padding_reflects_and_repeats_where_it_cannot() -> None:
    x = torch.arange(12.0).view(1, 1, 1, 12)
    assert pad_to_multiple(x, 8)[0, 0, 0, 12:].tolist() == [10, 9, 8, 7]
    assert torch.equal(pad_to_multiple(x, 8)[0, 0, 5], pad_to_multiple(x, 8)[0, 0, 0])
    assert pad_to_multiple(torch.tensor([[[[1.0, 2.0]]]]), 4)[0, 0, 0].tolist() == [1, 2, 2, 2]


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'unet'"):
        build_denoiser("unett")
