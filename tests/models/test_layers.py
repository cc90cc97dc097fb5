"""Layers against PyTorch's own, in the memory order that training uses."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from denoise_cli.models import build_classifier
from denoise_cli.models.layers import PointwiseConv2d


@pytest.mark.parametrize("channels", [3, 4, 16])
@pytest.mark.parametrize("size", [(24, 24), (23, 9)])
def test_strided_pointwise_convolution_is_pytorchs_own(channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = PointwiseConv2d(channels, 16, 1, 2, bias=False)
    own = nn.Conv2d(channels, 16, 1, 2, bias=False).double()
    own.load_state_dict(ours.state_dict())
    x = torch.rand(64, channels, *size)
    expected = own(x.double())
    expected.square().mean().backward()
    ours = ours.to(memory_format=torch.channels_last)
    y = ours(x.to(memory_format=torch.channels_last))
    y.square().mean().backward()
    torch.testing.assert_close(y, expected.float())
    assert ours.weight.grad is not None and own.weight.grad is not None
    torch.testing.assert_close(ours.weight.grad, own.weight.grad.float())


def test_resnet_gradients_in_channels_last_are_those_in_double_precision() -> None:
    torch.manual_seed(0)
    model = build_classifier("resnet", image_size=32)
    exact = copy.deepcopy(model).double()
    x = torch.rand(64, 3, 32, 32)
    exact(x.double()).square().mean().backward()
    model.to(memory_format=torch.channels_last)
    model(x.to(memory_format=torch.channels_last)).square().mean().backward()
    for (key, mine), theirs in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        difference = float((mine.grad - theirs.grad).norm())
        assert difference <= 1e-3 * float(theirs.grad.norm()) + 1e-7, key
