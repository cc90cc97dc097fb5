"""`cnn_unet` and `resnet_unet`: a U-Net told what a classifier sees in the noisy picture."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.classifiers import Classifier
from denoise_cli.models.layers import pad_to_multiple
from denoise_cli.models.unet import UNet

GUIDANCE_CHANNELS = 32


class GuidedUNet(nn.Module):
    """A frozen classifier's logits -> linear -> map, joined to the U-Net's deepest decoder level.

    The map has 32 channels on a grid of 1/8 of the classifier's image size (12x12 for
    STL-10) and is resized to the level it joins. The classifier stays in eval mode even
    while the U-Net trains, so that its batch statistics do not drift, and is saved with it.
    """

    size_multiple: ClassVar[int] = 16

    def __init__(self, classifier: Classifier, batch_norm: bool = True) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False).eval()
        self.grid = classifier.image_size // 8
        self.embed = nn.Linear(classifier.num_classes, GUIDANCE_CHANNELS * self.grid**2)
        self.unet = UNet(batch_norm, guidance_channels=GUIDANCE_CHANNELS)

    def train(self, mode: bool = True) -> Self:
        """Switch the U-Net's mode; the classifier stays in eval mode."""
        super().train(mode)
        self.classifier.eval()
        return self

    def guidance(self, x: Tensor) -> Tensor:
        """The guidance map (B, 32, g, g) that the classifier gives for `x` (B, 3, H, W)."""
        with torch.no_grad():
            logits = self.classifier(x)
        embedded: Tensor = self.embed(logits)
        return embedded.view(-1, GUIDANCE_CHANNELS, self.grid, self.grid)

    def forward(self, x: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Denoise `x` (B, 3, H, W) in [0, 1].

        Args:
            x: Noisy pictures, any height and width.
            guidance: Map (B, 32, h, w) to use instead of the one computed from `x`: tiles
                of a photo pass their part of the whole photo's.
        """
        height, width = x.shape[-2:]
        if guidance is None:
            guidance = self.guidance(x)
        x = pad_to_multiple(x, self.size_multiple)
        guidance = resize_guidance(guidance, x.shape[-2] // 8, x.shape[-1] // 8)
        return self.unet.restore(x, guidance)[..., :height, :width]


def resize_guidance(guidance: Tensor, height: int, width: int) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly to `height` x `width`; as is where it fits."""
    if guidance.shape[-2:] == (height, width):
        return guidance
    return F.interpolate(guidance.float(), (height, width), mode="bilinear", align_corners=False)
