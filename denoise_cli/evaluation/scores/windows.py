"""Parts of large pictures: the centre that is shown, and strips that bound a network's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from denoise_cli.models.guided import GuidedUNet, resize_guidance
from denoise_cli.models.info import ModelInfo

# Approximate memory budget of a forward pass, in bytes.
MEMORY = 2 * 2**30
# Pixels around a shown part that a method sees: no network sees farther. It keeps to a grid of
# the networks' size multiples, so that they see the same as in the whole picture.
CONTEXT = 128
_GRID = 16


@dataclass(frozen=True, slots=True)
class Centre:
    """The central part of a picture, and the same with its context.

    Attributes:
        top, left, height, width: Of the part, in pixels of the picture.
    """

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, picture: Tensor, side: int) -> Centre:
        """The central part of at most `side` pixels each way of a picture (..., H, W)."""
        height, width = picture.shape[-2:]
        top, left = max(0, height - side) // 2, max(0, width - side) // 2
        return cls(top, left, min(side, height), min(side, width))

    def cut(self, picture: Tensor) -> Tensor:
        """The part of the whole picture (..., H, W)."""
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        return picture[..., rows, columns]

    def cut_wide(self, picture: Tensor) -> Tensor:
        """The part with its context, of the whole picture (..., H, W)."""
        top, left = self._wide_corner
        bottom, right = self.top + self.height + CONTEXT, self.left + self.width + CONTEXT
        return picture[..., top:bottom, left:right]

    def cut_back(self, wide: Tensor) -> Tensor:
        """The part alone, of what `cut_wide` gave."""
        top, left = self._wide_corner
        inner = Centre(self.top - top, self.left - left, self.height, self.width)
        return inner.cut(wide)

    @property
    def _wide_corner(self) -> tuple[int, int]:
        return tuple(max(0, start - CONTEXT) // _GRID * _GRID for start in (self.top, self.left))  # type: ignore[return-value]


class InStrips(nn.Module):
    """A network that works on large pictures in strips of rows, with the result of the whole picture.

    Strips overlap by all that an output pixel can see, so that nothing changes but the memory.
    """

    def __init__(self, model: nn.Module, info: ModelInfo, memory: int = MEMORY) -> None:
        super().__init__()
        self._model, self._info, self._memory = model, info, memory
        self.train(model.training)

    def forward(self, x: Tensor, logits: Tensor | None = None) -> Tensor:
        """Denoise `x` (B, 3, H, W); `logits` as of a guided network."""
        extra = {} if logits is None else {"logits": logits}
        height, width = x.shape[-2:]
        grid = self._info.size_multiple
        halo = -(-self._info.receptive_radius // grid) * grid
        rows = self._memory // (len(x) * width * self._info.bytes_per_pixel)
        if rows >= height:
            return cast(Tensor, self._model(x, **extra))
        if isinstance(self._model, GuidedUNet):
            extra = {"guidance": self._whole_guidance(self._model, x, logits)}
        step = max(grid, (rows - 2 * halo) // grid * grid)
        strips = []
        for top in range(0, height, step):
            first = max(0, top - halo)
            last = min(height, top + step + halo)
            guidance_rows = slice(first // 8, -(-last // grid) * grid // 8)
            part = {name: _rows(value, guidance_rows) for name, value in extra.items()}
            strip = self._model(x[..., first:last, :], **part)
            strips.append(strip[..., top - first : top - first + step, :])
        return torch.cat(strips, -2)

    @staticmethod
    def _whole_guidance(model: GuidedUNet, x: Tensor, logits: Tensor | None) -> Tensor:
        """The guidance of the whole picture, resized to 1/8 of its padded size."""
        guidance = model.guidance(x, logits)
        if model.injection == "film":
            return guidance
        height, width = (-(-side // model.size_multiple) * model.size_multiple // 8 for side in x.shape[-2:])
        return resize_guidance(guidance, height, width)


def _rows(guidance: Tensor, rows: slice) -> Tensor:
    """The rows of a map (B, C, h, w), or the map itself if it has a single row."""
    return guidance if guidance.shape[-2] == 1 else guidance[..., rows, :]
