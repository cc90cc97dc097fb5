"""`photo_unet`: its limits, its reach, and how it starts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from denoise_cli.metrics import psnr
from denoise_cli.models import build_denoiser, count_parameters, denoiser_info
from denoise_cli.models.photo_unet.network import PhotoUNet

INFO = denoiser_info("photo_unet")


def fresh() -> nn.Module:
    torch.manual_seed(0)
    return build_denoiser("photo_unet")


def test_network_is_small_and_has_no_batch_norm() -> None:
    model = fresh()
    assert count_parameters(model) <= 4_000_000
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    with_norm = build_denoiser("photo_unet", batch_norm=True).state_dict()
    assert with_norm.keys() == build_denoiser("photo_unet", batch_norm=False).state_dict().keys()


def test_network_sees_exactly_as_far_as_the_registry_says() -> None:
    model = PhotoUNet(widths=(2, 2, 2)).double()
    for parameter in model.parameters():  # nothing cancels, and no ReLU is shut
        nn.init.constant_(parameter, 0.1)
    side = 2 * INFO.receptive_radius + 42
    x = torch.zeros(1, 3, side, side, dtype=torch.double, requires_grad=True)
    y = model(x)
    reach = 0
    start = side // 2 // INFO.size_multiple * INFO.size_multiple
    for place in range(start, start + INFO.size_multiple):
        (gradient,) = torch.autograd.grad(y[0, 0, place, place], x, retain_graph=True)
        seen = gradient[0].abs().sum(0).nonzero() - place
        reach = max(reach, int(seen.abs().max()))
    assert reach == INFO.receptive_radius <= 128


def test_network_starts_near_the_identity_and_every_layer_learns() -> None:
    model = fresh().train()
    x = torch.rand(1, 3, 64, 64)
    y = model(x)
    assert float(psnr(y.detach(), x)) > 40
    (y - 0.5).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def test_network_learns() -> None:
    torch.manual_seed(0)
    model = PhotoUNet(widths=(24, 24, 24), blocks=(1, 1, 1)).train()
    clean = torch.full((4, 3, 32, 32), 0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        noisy = clean + 0.2 * torch.randn(clean.shape)
        loss = (model(noisy) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 3


def test_only_training_sees_values_out_of_range() -> None:
    model, x = fresh(), torch.full((1, 3, 16, 16), 1.3)
    with torch.no_grad():
        assert float(model.train()(x).max()) > 1.1
        assert float(model.eval()(x).max()) == 1
        assert float(model(-x).min()) == 0


def test_bfloat16_and_channels_last() -> None:
    model = fresh().eval()
    assert isinstance(model.last, nn.Conv2d)
    nn.init.normal_(model.last.weight, std=0.05)
    x = torch.rand(2, 3, 40, 56)
    with torch.inference_mode():
        expected = model(x)
        model = model.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x.contiguous(memory_format=torch.channels_last))
    assert y.dtype == torch.float32
    assert float((expected - x).abs().mean()) > 0.02
    assert float((y - expected).abs().mean()) < 0.005


@pytest.mark.parametrize("training", [True, False])
def test_network_compiles_without_a_break(training: bool) -> None:
    model, x = fresh().train(training), torch.rand(1, 3, 32, 32)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert torch.equal(compiled(x), model(x))
