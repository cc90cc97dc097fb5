"""A U-Net guided by a classifier of the noisy picture."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.models.classifiers.base import Classifier, resize_to
from denoise_cli.models.guidance import GUIDANCE_CHANNELS, GuidanceInjection, GuidanceSource
from denoise_cli.models.layers import pad_to_multiple
from denoise_cli.models.unet.network import BOTTLENECK, WIDTHS, UNet

# Channels that FiLM scales and shifts: the bottleneck's and the deepest decoder level's.
FILM_CHANNELS = (BOTTLENECK, WIDTHS[-1])
# The true class's logit of `oracle` guidance; all others are 0. Where the classifier
# `resnet` is right on noisy STL-10 images, its largest logit is 3.1 above the mean of the others.
ORACLE_LOGIT = 3.0


class GuidedUNet(nn.Module):
    """A U-Net conditioned on a frozen classifier: on its logits, or on its last feature grid.

    With `concat`, logits -> linear -> map of 32 channels on a grid of 1/8 of the classifier's
    image size (12x12 for STL-10); a feature grid -> 1x1 convolution -> 32 channels. The map is
    resized to the U-Net's deepest decoder level and joins it there. With `film` (Perez et al.,
    2018), a linear layer of the logits, or of the feature grid's mean, gives gamma and beta, and
    each channel x of the bottleneck and of the deepest decoder level becomes (1 + gamma) x + beta;
    the layer begins at zero, so that FiLM starts without effect.

    The classifier stays in eval mode even while the U-Net trains, so that its batch statistics
    do not drift, and is saved with it.
    """

    size_multiple: ClassVar[int] = 16

    def __init__(
        self,
        classifier: Classifier,
        batch_norm: bool = True,
        source: GuidanceSource = "predicted",
        injection: GuidanceInjection = "concat",
    ) -> None:
        super().__init__()
        self.source, self.injection = source, injection
        self.classifier = classifier.requires_grad_(requires_grad=False).eval()
        self.grid = classifier.image_size // 8
        self.embed = self._embedding()
        self.unet = UNet(batch_norm, guidance_channels=GUIDANCE_CHANNELS if injection == "concat" else 0)

    def _embedding(self) -> nn.Module:
        gridded = self.source == "features"
        channels = self.classifier.feature_channels if gridded else self.classifier.num_classes
        if self.injection == "film":
            linear = nn.Linear(channels, 2 * sum(FILM_CHANNELS))
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
            return linear
        if gridded:
            return nn.Conv2d(channels, GUIDANCE_CHANNELS, 1)
        return nn.Linear(channels, GUIDANCE_CHANNELS * self.grid**2)

    def train(self, mode: bool = True) -> Self:
        """Switch the U-Net's mode; the classifier stays in eval mode."""
        super().train(mode)
        self.classifier.eval()
        return self

    def guidance(self, x: Tensor, logits: Tensor | None = None) -> Tensor:
        """The guidance map (B, C, h, w) of `x` (B, 3, H, W).

        C is 32 with `concat`; with `film` h = w = 1 and C = 2 (256 + 128), gamma and beta.

        Args:
            logits: (B, K) to use instead of those of the classifier. `oracle` always needs
                them, `shuffled` needs them except in training, where it takes those of
                another picture of the batch.
        """
        seen = self._see(x) if logits is None else logits
        if self.injection == "film":
            pooled = seen.mean(dim=(2, 3)) if seen.dim() == 4 else seen
            guidance: Tensor = self.embed(pooled)[..., None, None]
        else:
            guidance = self.embed(seen)
            if seen.dim() == 2:
                guidance = guidance.view(-1, GUIDANCE_CHANNELS, self.grid, self.grid)
        return guidance * 0 if self.source == "zero" else guidance

    @torch.no_grad()
    def _see(self, x: Tensor) -> Tensor:
        """Logits (B, K) or feature grid (B, C, h, w) of noisy pictures."""
        if self.source == "features":
            return self.classifier.features(resize_to(x, self.classifier.image_size))
        if self.source == "oracle" or (self.source == "shuffled" and not self.training):
            raise ValueError(f"{self.source} guidance does not follow from the picture; give logits")
        logits: Tensor = self.classifier(x)
        return logits.roll(1, 0) if self.source == "shuffled" else logits

    def forward(self, x: Tensor, guidance: Tensor | None = None, logits: Tensor | None = None) -> Tensor:
        """Denoise `x` (B, 3, H, W) in [0, 1].

        Args:
            x: Noisy pictures, any height and width.
            guidance: Map (B, C, h, w) to use instead of the one computed from `x`: tiles
                of a photo pass their part of the whole photo's.
            logits: As in `guidance()`.
        """
        height, width = x.shape[-2:]
        if guidance is None:
            guidance = self.guidance(x, logits)
        x = pad_to_multiple(x, self.size_multiple)
        if self.injection == "film":
            # A tile's part of the photo's gamma and beta is the same everywhere.
            film = torch.split(guidance[..., :1, :1], [2 * channels for channels in FILM_CHANNELS], dim=1)
            return self.unet.restore(x, film=film)[..., :height, :width]
        guidance = resize_guidance(guidance, x.shape[-2] // 8, x.shape[-1] // 8)
        return self.unet.restore(x, guidance)[..., :height, :width]


def true_logits(labels: Tensor, num_classes: int) -> Tensor:
    """`oracle` logits (B, num_classes) of true classes (B,): 3 for the true one, 0 for the others."""
    return F.one_hot(labels, num_classes).float() * ORACLE_LOGIT


def resize_guidance(guidance: Tensor, height: int, width: int) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly to `height` x `width`; as is where it fits."""
    if guidance.shape[-2:] == (height, width):
        return guidance
    return F.interpolate(guidance.float(), (height, width), mode="bilinear", align_corners=False)
