"""Random generators on the device of the pixels."""

from __future__ import annotations

import torch
from torch import Tensor


def pixel_generator(x: Tensor, generator: torch.Generator) -> torch.Generator:
    """The generator to draw pixels of `x` with: `generator` itself, or one on its device."""
    if x.device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(x.device).manual_seed(seed)
