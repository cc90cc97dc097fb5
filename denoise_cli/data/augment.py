"""Batched augmentation: the images stay on their device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

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
    """Make about `share` of the pictures of `x` (B, 3, H, W), or of pairs (B, 6, H, W), float, grey."""
    colours = x.reshape(len(x), -1, 3, *x.shape[2:])
    grey = torch.einsum("c,bpchw->bphw", x.new_tensor(_LUMA), colours).unsqueeze(2).expand_as(colours)
    return torch.where(_coin(x, share, generator), grey.flatten(1, 2), x)


def enlarge(x: Tensor, most: float, share: float, generator: torch.Generator) -> Tensor:
    """Enlarge a random part of about `share` of the pictures to the whole, 1.1 to `most` times.

    Photographs at full size are softer than those that were shrunk, and their fine texture is noise.

    Args:
        x: (B, C, S, S), float in [0, 1].
        most: Largest factor, at least 1.1.
    """
    chosen = (torch.rand(len(x), generator=generator) < share).nonzero().squeeze(1)
    if not len(chosen):
        return x
    factor = 1.1 + (most - 1.1) * torch.rand(len(chosen), generator=generator)
    # In the coordinates of the grid the picture reaches from -1 to 1.
    centre = (2 * torch.rand(len(chosen), 2, generator=generator) - 1) * (1 - 1 / factor).unsqueeze(1)
    theta = torch.zeros(len(chosen), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / factor
    theta[:, :, 2] = centre
    at = chosen.to(x.device)
    part = x[at]
    grid = F.affine_grid(theta.to(x.device), list(part.shape), align_corners=False)
    large = F.grid_sample(part, grid, "bicubic", "reflection", align_corners=False).clamp(0, 1)
    x = x.clone()
    x[at] = large
    return x


def _coin(x: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    heads = torch.rand(len(x), generator=generator) < probability
    return heads.view(-1, 1, 1, 1).to(x.device)
