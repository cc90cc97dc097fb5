"""The layers that the architectures share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.padding import mirrors, missing


def conv_bn_relu(channels_in: int, channels_out: int, batch_norm: bool, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, optional batch normalisation, ReLU.

    The convolution has a bias only without batch normalisation, whose shift replaces it.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=not batch_norm)
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(channels_out))
    layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad `x` (B, C, H, W) to a multiple of `multiple` pixels by the rule of `models.padding`."""
    height, width = x.shape[-2:]
    bottom, right = missing(height, multiple), missing(width, multiple)
    if bottom:
        x = F.pad(x, (0, 0, 0, bottom), mode="reflect" if mirrors(height, bottom) else "replicate")
    if right:
        x = F.pad(x, (0, right, 0, 0), mode="reflect" if mirrors(width, right) else "replicate")
    return x


class PointwiseConv2d(nn.Conv2d):
    """A 1×1 convolution with a stride: the pixels that it reads are taken first.

    On CPUs without AVX-512, oneDNN's own strided 1×1 convolution writes past its workspace in the
    backward pass where there are fewer than eight channels in channels_last order (oneDNN issue
    6035): it crashes, or returns wrong gradients.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `x` (B, C, H, W): (B, C_out, ⌈H / stride⌉, ⌈W / stride⌉)."""
        vertical, horizontal = self.stride
        return F.conv2d(x[..., ::vertical, ::horizontal], self.weight, self.bias)
