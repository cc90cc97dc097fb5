"""The base class of classifiers: resizes the noisy picture to the classifier's size."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F


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
        raise NotImplementedError(f"{type(self).__name__} does not implement features()")

    def head(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes) from the last feature grid."""
        raise NotImplementedError(f"{type(self).__name__} does not implement head()")
