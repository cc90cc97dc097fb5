"""What every network of another program is here: pictures to pictures, of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class ExternalNetwork:
    """A denoiser that this program has not trained.

    Attributes:
        name: What results call it.
        module: (B, 3, H, W) in [0, 1] to the same; `SigmaConditioned` where it is told the noise level.
        sha256: Of its file; of its weights where it has none.
        parameters: Their number.
        kind: Its architecture or origin, for people.
    """

    name: str
    module: nn.Module
    sha256: str
    parameters: int
    kind: str


class SigmaConditioned(nn.Module):
    """A network that takes the noise level as an input.

    Attributes:
        sigma: Standard deviation of the noise on [0, 1]; None estimates it for each picture.
    """

    def __init__(self, run: Callable[[Tensor, Tensor], Tensor], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.sigma: float | None = None
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        """Denoise (B, C, H, W); `run` gets the pictures and sigma as (B, 1, H, W)."""
        level = torch.full((len(x),), self.sigma) if self.sigma is not None else estimate_sigma(x)
        return self._run(x, level.to(x).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]))


def set_sigma(module: nn.Module, sigma: float | None) -> None:
    """Tell a network, or what is inside it, the noise level on [0, 1]; None: to estimate it."""
    for part in module.modules():
        if isinstance(part, SigmaConditioned):
            part.sigma = sigma


def estimate_sigma(x: Tensor) -> Tensor:
    """Standard deviation (B,) of the noise in pictures (B, C, H, W), as for white Gaussian noise.

    The median absolute value of the finest diagonal wavelet details (Donoho and Johnstone 1994), the
    mean over the channels, by scikit-image.
    """
    from skimage.restoration import estimate_sigma as of_skimage

    levels = [of_skimage(picture.numpy(), average_sigmas=True, channel_axis=0) for picture in x.cpu()]
    return torch.tensor(levels, dtype=torch.float32)


class AnyPicture(nn.Module):
    """Brings colour pictures of any size to what a network takes, and back.

    Args:
        network: (B, channels, H, W) to the same.
        channels: 3, or 1 for a network of grey pictures, which then gets each colour by itself.
        multiple: Sides must be a multiple of this.
        minimum: Sides must be at least this.
        square: Sides must be equal.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        channels: int = 3,
        multiple: int = 1,
        minimum: int = 1,
        square: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self._channels, self._multiple, self._minimum, self._square = channels, multiple, minimum, square

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        sides = [max(self._minimum, -(-side // self._multiple) * self._multiple) for side in (height, width)]
        sides = [max(sides)] * 2 if self._square else sides
        padded = mirrored(x, sides[0], sides[1])
        if self._channels == 1:
            result: Tensor = self.network(padded.flatten(0, 1)[:, None]).view_as(padded)
        else:
            result = self.network(padded)
        return result[..., :height, :width]


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """Pictures continued by reflection at the bottom and right, as often as it takes."""
    while x.shape[2] < height or x.shape[3] < width:
        below = min(height - x.shape[2], max(x.shape[2] - 1, 0))
        right = min(width - x.shape[3], max(x.shape[3] - 1, 0))
        # A single row or column has nothing to reflect.
        mode = "reflect" if below or right else "replicate"
        below, right = (below, right) if below or right else (height - x.shape[2], width - x.shape[3])
        x = F.pad(x, (0, right, 0, below), mode=mode)
    return x
