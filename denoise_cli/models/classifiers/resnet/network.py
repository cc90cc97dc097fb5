"""The classifier `resnet`: a small residual network."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from denoise_cli.models.classifiers.base import Classifier
from denoise_cli.models.layers import PointwiseConv2d, conv_bn_relu


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
