"""The classifier `cnn`: three blocks of convolutions, and all of the last grid."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from denoise_cli.models.classifiers.base import Classifier
from denoise_cli.models.layers import conv_bn_relu


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
