"""Schedule, moving average, and losses against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from denoise_cli.config import OptimConfig
from denoise_cli.training.optim import build_optimizer, learning_rate, moving_average, restore_average
from denoise_cli.training.tasks import pixel_loss


def test_cosine_with_warm_up_agrees_with_torch() -> None:
    config = OptimConfig(lr=0.1, schedule="cosine", warmup=4)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    assert [learning_rate(config, step, 24) for step in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    for step in range(20):
        assert learning_rate(config, 4 + step, 24) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    assert learning_rate(config, 24, 24) == pytest.approx(0.0)


def test_constant_stays() -> None:
    assert {learning_rate(OptimConfig(lr=0.01), step, 10) for step in range(10)} == {0.01}


@torch.no_grad()
def _walk(model: nn.Module) -> None:
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.add_(torch.randn_like(value))


def test_the_average_follows_its_formula() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    average = moving_average(model, decay=0.9)
    expected: dict[str, Tensor] = {}
    for step in range(100):
        _walk(model)
        average.update_parameters(model)
        decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
        for name, value in model.state_dict().items():
            expected[name] = decay * expected.get(name, torch.zeros_like(value)) + (1 - decay) * value
    for name, value in average.module.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], atol=1e-5), name


@pytest.mark.parametrize("saved_by", ["this version", "earlier versions"])
def test_a_restored_average_goes_on_as_one_that_was_not_interrupted(saved_by: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    average, restored = moving_average(model, 0.999), moving_average(model, 0.999)
    for _ in range(5):
        _walk(model)
        average.update_parameters(model)
    # Earlier versions saved the averaged weights by their names in the model.
    state = average.state_dict() if saved_by == "this version" else average.module.state_dict()
    restore_average(restored, {name: value.clone() for name, value in state.items()}, model, 5)
    for _ in range(5):
        _walk(model)
        average.update_parameters(model)
        restored.update_parameters(model)
    for name, value in average.module.state_dict().items():
        assert torch.equal(restored.module.state_dict()[name], value), name


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_frozen_parameters_are_not_updated(name: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2))
    optimizer = build_optimizer(model, OptimConfig.model_validate({"optimizer": name}), torch.device("cpu"))
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == 6


def test_pixel_losses() -> None:
    x, y = torch.rand(2, 3, 5, 5), torch.rand(2, 3, 5, 5)
    assert pixel_loss("mse", x, y) == pytest.approx(float(((x - y) ** 2).mean()))
    assert pixel_loss("l1", x, y) == pytest.approx(float((x - y).abs().mean()))
    expected = sum(math.sqrt(float(d) ** 2 + 1e-6) for d in (x - y).flatten()) / x.numel()
    assert pixel_loss("charbonnier", x, y) == pytest.approx(expected, rel=1e-5)
    each = [10 * math.log10(float(((a - b) ** 2).mean()) + 1e-5) for a, b in zip(x, y, strict=True)]
    assert pixel_loss("psnr", x, y) == pytest.approx(sum(each) / 2, abs=1e-4)
