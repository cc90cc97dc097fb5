"""The study's two classifiers, which look at the noisy picture."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.layers import PointwiseConv2d, conv_bn_relu


def resize_to(x: Tensor, size: int) -> Tensor:
    """Resize `x` (B, C, H, W) to `size` x `size`, antialiased bilinear; as is where it fits."""
    if x.shape[-2:] == (size, size):
        return x
    return F.interpolate(x.float(), (size, size), mode="bilinear", antialias=True)


class Classifier(nn.Module):
    """A network from pictures (B, 3, H, W) in [0, 1] to logits (B, num_classes).

    It is built for one `image_size` (96 for STL-10, 32 for CIFAR-10) and always sees the
    whole picture, resized to that size. `feature_channels` is C of its feature grid.
    """

    feature_channels: ClassVar[int]

    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__()
        if image_size % 8:
            raise ValueError(f"image_size must be a multiple of 8, not {image_size}")
        self.num_classes = num_classes
        self.image_size = image_size

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(resize_to(x, self.image_size)))

    def features(self, x: Tensor) -> Tensor:
        """The last feature grid (B, C, h, w) of `x` (B, 3, image_size, image_size)."""
        raise TypeError(f"{type(self).__name__} does not implement features()")

    def head(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes) from the last feature grid."""
        raise TypeError(f"{type(self).__name__} does not implement head()")


class CNNClassifier(Classifier):
    """Three blocks of 64, 128, 256 channels (conv, conv, 2x2 max-pool), then one linear layer."""

    feature_channels: ClassVar[int] = 256

    def __init__(self, batch_norm: bool = True, num_classes: int = 10, image_size: int = 96) -> None:
        super().__init__(num_classes, image_size)
        blocks: list[nn.Module] = []
        for a, b in ((3, 64), (64, 128), (128, 256)):
            blocks += [conv_bn_relu(a, b, batch_norm), conv_bn_relu(b, b, batch_norm), nn.MaxPool2d(2)]
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(256 * (image_size // 8) ** 2, num_classes)

    def features(self, x: Tensor) -> Tensor:
        grid: Tensor = self.blocks(x)
        return grid

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features.flatten(1))
        return logits


class _BasicBlock(nn.Module):
    """Conv, BN, ReLU, conv; shortcut added; ReLU. The study has no BN after the second conv."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.first = conv_bn_relu(channels_in, channels_out, batch_norm, stride)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=not batch_norm)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            projection: list[nn.Module] = [PointwiseConv2d(channels_in, channels_out, 1, stride, bias=False)]
            if batch_norm:
                projection.append(nn.BatchNorm2d(channels_out))
            self.shortcut = nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNetClassifier(Classifier):
    """A residual network of 16, 32, 64, 128 channels; both blocks of stage 1 have stride 2."""

    feature_channels: ClassVar[int] = 128

    def __init__(self, batch_norm: bool = True, num_classes: int = 10, image_size: int = 96) -> None:
        super().__init__(num_classes, image_size)
        stem: list[nn.Module] = [nn.Conv2d(3, 3, 7, stride=2, padding=3, bias=not batch_norm)]
        if batch_norm:
            stem.append(nn.BatchNorm2d(3))
        stem += [nn.MaxPool2d(3, stride=2, padding=1), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        channels = 3
        for stage, width in enumerate((16, 32, 64, 128)):
            stride = 2 if stage == 0 else 1
            blocks += [
                _BasicBlock(channels, width, stride, batch_norm),
                _BasicBlock(width, width, stride, batch_norm),
            ]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, num_classes)

    def features(self, x: Tensor) -> Tensor:
        grid: Tensor = self.blocks(self.stem(x))
        return grid

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits
