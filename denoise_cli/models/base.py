"""The base class of denoisers: pads to the size multiple and crops back."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from denoise_cli.models.layers import pad_to_multiple


class Denoiser(nn.Module):
    """A network from a noisy picture to a clean one, both (B, 3, H, W) in [0, 1].

    Accepts any height and width of at least 1. Subclasses set `size_multiple` and
    implement `restore`, which sees only sizes that are multiples of it.
    """

    size_multiple: ClassVar[int]

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        y = self.restore(pad_to_multiple(x, self.size_multiple))
        return y[..., :height, :width]

    def restore(self, x: Tensor) -> Tensor:
        """Denoise `x` (B, 3, H, W), H and W multiples of `size_multiple`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement restore()")
