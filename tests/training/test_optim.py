"""Schedule, moving average, and losses against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from denoise_cli.config import OptimConfig
from denoise_cli.training.optim import MovingAverage, build_optimizer, learning_rate
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


def test_the_average_agrees_with_torchs_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours = MovingAverage(model, decay=0.9)
    theirs = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    theirs.update_parameters(model)  # the first update copies
    for step in range(100, 110):  # beyond the rise of the decay
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p))
        ours.update(model, step)
        theirs.update_parameters(model)
    for name, value in theirs.module.named_parameters():
        assert torch.allclose(ours.state[name], value, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw"])
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
