"""Parts of large pictures give what the whole gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from denoise_cli.evaluation.comparison.benchmark import Rounded
from denoise_cli.evaluation.scores.windows import CONTEXT, Centre, InStrips
from denoise_cli.models import denoiser_info
from denoise_cli.models.guidance import GuidanceInjection
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.models.registry import DENOISERS
from denoise_cli.weights.files import build, load_weights
from denoise_cli.weights.header import WeightsHeader
from denoise_cli.weights.store import find_bundled


def network(name: str) -> nn.Module:
    """A bundled network, in which every layer matters."""
    return load_weights(find_bundled(name, denoiser_info(name).batch_norm))[1].eval()


def guided(injection: GuidanceInjection) -> nn.Module:
    """A network whose output depends on its guidance."""
    torch.manual_seed(0)
    model = build(
        WeightsHeader("denoiser", "resnet_unet", False, classes=tuple("0123456789"), injection=injection)
    )
    assert isinstance(model, GuidedUNet)
    assert isinstance(model.embed, nn.Linear)
    nn.init.normal_(model.embed.weight)
    return model.eval()


class Counted(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.rows = model, list[int]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.append(x.shape[-2])
        y: torch.Tensor = self.model(x)
        return y


@pytest.mark.parametrize("name", DENOISERS)
@torch.inference_mode()
def test_strips_equal_the_whole_picture(name: str) -> None:
    info, model = denoiser_info(name), network(name)
    x = torch.rand(1, 3, 601, 37, generator=torch.Generator().manual_seed(1))
    whole = model(x)
    # Room for so few rows that the strips are as low as they get.
    memory = 300 * 37 * info.bytes_per_pixel
    torch.testing.assert_close(InStrips(model, info, memory)(x), whole, atol=2e-5, rtol=0)
    assert torch.equal(InStrips(model, info)(x), whole)


@torch.inference_mode()
def test_strips_take_no_more_rows_than_they_may() -> None:
    info, counted = denoiser_info("cnn"), Counted(network("cnn")).eval()
    x = torch.rand(1, 3, 100, 20)
    strips = InStrips(counted, info, 40 * 20 * info.bytes_per_pixel)
    torch.testing.assert_close(strips(x), counted.model(x), atol=1e-6, rtol=0)
    assert len(counted.rows) > 2 and max(counted.rows) <= 40


@pytest.mark.parametrize(("injection", "strength"), [("concat", 3000), ("film", 30)])
@torch.inference_mode()
def test_strips_of_a_network_that_is_told_something(injection: GuidanceInjection, strength: float) -> None:
    info, model = denoiser_info("resnet_unet"), guided(injection)
    generator = torch.Generator().manual_seed(0)
    logits = strength * torch.randn(1, 10, generator=generator)
    x = torch.rand(1, 3, 601, 20, generator=generator)
    strips = InStrips(model, info, 300 * 20 * info.bytes_per_pixel)
    guidance = strips(x, logits=logits)
    torch.testing.assert_close(guidance, model(x, logits=logits), atol=2e-5, rtol=0)
    assert float((guidance - strips(x)).abs().max()) > 1e-3


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 700), width=st.integers(1, 700), side=st.integers(1, 300))
def test_the_centre_is_cut_alike_with_and_without_context(height: int, width: int, side: int) -> None:
    picture = torch.arange(height * width).view(1, height, width)
    centre = Centre.of(picture, side)
    part, wide = centre.cut(picture), centre.cut_wide(picture)
    assert part.shape == (1, min(height, side), min(width, side))
    assert torch.equal(centre.cut_back(wide), part)
    assert max(wide.shape[1:]) <= side + 2 * CONTEXT + 15
    above, left = divmod(int(wide[0, 0, 0]), width)
    assert above % 16 == left % 16 == 0
    top, before = divmod(int(part[0, 0, 0]), width)
    assert top - above >= min(top, CONTEXT) and before - left >= min(before, CONTEXT)
    # As much lies on one side as on the other.
    assert abs(top - (height - top - part.shape[1])) <= 1


@pytest.mark.parametrize("name", ["cae", "unet", "photo_unet"])
@torch.inference_mode()
def test_the_context_is_all_that_a_network_sees(name: str) -> None:
    assert max(info.receptive_radius for info in DENOISERS.values()) <= CONTEXT
    model = network(name)
    x = torch.rand(1, 3, 330, 411, generator=torch.Generator().manual_seed(2))
    centre = Centre.of(x, 24)
    wide = centre.cut_wide(x)
    assert wide.shape[-1] < x.shape[-1]
    torch.testing.assert_close(centre.cut_back(model(wide)), centre.cut(model(x)), atol=2e-5, rtol=0)


def test_wrappers_leave_a_network_in_its_mode() -> None:
    model = network("cae")
    for wrapper in (InStrips(model, denoiser_info("cae")), Rounded(model, grey=False)):
        was = wrapper.training
        wrapper.eval()
        wrapper.train(was)
        assert not any(module.training for module in model.modules())
