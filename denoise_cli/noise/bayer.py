"""Demosaicing of an RGGB mosaic, batched: bilinear, or Malvar, He and Cutler (2004)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Each kernel finds a colour that a site of the mosaic lacks: green at red and blue; red or blue
# at green from its own row, and from its own column; red at blue and blue at red.
_BILINEAR = (
    ((0, 0, 0, 0, 0), (0, 0, 2, 0, 0), (0, 2, 0, 2, 0), (0, 0, 2, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 4, 0, 4, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 4, 0, 0), (0, 0, 0, 0, 0), (0, 0, 4, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 2, 0, 2, 0), (0, 0, 0, 0, 0), (0, 2, 0, 2, 0), (0, 0, 0, 0, 0)),
)
_MALVAR = (
    ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0)),
    ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0)),
    ((0, 0, -1, 0, 0), (0, -1, 4, -1, 0), (0.5, 0, 5, 0, 0.5), (0, -1, 4, -1, 0), (0, 0, -1, 0, 0)),
    ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0)),
)


def demosaic(mosaic: Tensor, malvar: Tensor) -> Tensor:
    """Fill in the colours that each site of an RGGB mosaic lacks.

    Args:
        mosaic: (B, 1, H, W), red at even rows and columns.
        malvar: (B,) bool, on the CPU: Malvar's gradient-corrected filters, else bilinear ones.

    Returns:
        (B, 3, H, W).
    """
    b, _, h, w = mosaic.shape
    banks = torch.tensor((_BILINEAR, _MALVAR)) / 8
    kernels = banks[malvar.long()].view(4 * b, 1, 5, 5).to(mosaic)
    padded = F.pad(mosaic, (2, 2, 2, 2), mode="reflect").view(1, b, h + 4, w + 4)
    green, row, column, diagonal = F.conv2d(padded, kernels, groups=b).view(b, 4, h, w).unbind(1)
    known = mosaic[:, 0]
    even_row = (torch.arange(h, device=mosaic.device) % 2 == 0).view(-1, 1)
    even_column = (torch.arange(w, device=mosaic.device) % 2 == 0).view(1, -1)

    def chroma(own_row: Tensor, own_column: Tensor) -> Tensor:
        in_row = torch.where(own_column, known, row)
        elsewhere = torch.where(own_column, column, diagonal)
        return torch.where(own_row, in_row, elsewhere)

    return torch.stack(
        [
            chroma(even_row, even_column),
            torch.where(even_row == even_column, green, known),
            chroma(~even_row, ~even_column),
        ],
        1,
    )
