"""FFDNet (Zhang, Zuo and Zhang 2018): plain convolutions on a half-size picture with the noise level."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.errors import WeightsError

_KEY = re.compile(r"model\.(\d+)\.(weight|bias)")


def is_ffdnet(state: Mapping[str, Tensor]) -> bool:
    """Whether weights are FFDNet's: 4 values of each colour and the noise level to the 4 values."""
    if not all(_KEY.fullmatch(name) for name in state):
        return False
    weights = _weights(state)
    if not weights or any(weight.ndim != 4 for weight in weights):
        return False
    out = weights[-1].shape[0]
    return out in {4, 12} and weights[0].shape[1] == out + 1


class FFDNet(nn.Module):
    """The network of a weight file.

    Attributes:
        channels: 1 or 3, of the pictures.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for weight in _weights(state):
            out, into, side, _ = weight.shape
            layers += [nn.Conv2d(into, out, side, padding="same"), nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])
        self.channels = _weights(state)[-1].shape[0] // 4
        try:
            self.load_state_dict(dict(state))
        except RuntimeError as error:
            raise WeightsError(f"The weights look like FFDNet's but do not fit it: {error}") from error

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoise (B, C, H, W) with even sides; `sigma` (B, 1, H, W) on [0, 1]."""
        halves = torch.cat([F.pixel_unshuffle(x, 2), sigma[..., ::2, ::2]], 1)
        return F.pixel_shuffle(self.model(halves), 2)


def _weights(state: Mapping[str, Tensor]) -> list[Tensor]:
    """The kernels in the order of the layers."""
    found = [match for name in state if (match := _KEY.fullmatch(name)) and match[2] == "weight"]
    numbers = sorted(int(match[1]) for match in found)
    return [state[f"model.{number}.weight"] for number in numbers]
