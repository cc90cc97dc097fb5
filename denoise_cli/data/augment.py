"""Batched augmentation: the images stay on their device."""

from __future__ import annotations

import torch
from torch import Tensor

# Rec. 601 luma, the grey that photo programs make.
_LUMA = (0.299, 0.587, 0.114)


def flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each picture of `x` (B, C, H, W) left to right with probability 1/2."""
    return torch.where(_coin(x, 0.5, generator), x.flip(-1), x)


def rotate(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn each square picture of `x` (B, C, S, S) by 0, 90, 180 or 270 degrees."""
    x = torch.where(_coin(x, 0.5, generator), x.flip((-2, -1)), x)
    return torch.where(_coin(x, 0.5, generator), x.transpose(-2, -1).flip(-1), x)


def to_grey(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Make about `share` of the pictures of `x` (B, 3, H, W), float, grey."""
    grey = torch.einsum("c,bchw->bhw", x.new_tensor(_LUMA), x).unsqueeze(1).expand_as(x)
    return torch.where(_coin(x, share, generator), grey, x)


def _coin(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    heads = torch.rand(len(x), generator=generator) < probability
    return heads.view(-1, 1, 1, 1).to(x.device)
