"""`guided.GuidedUNet` as ONNX, for the study's guidance: the classifier's logits, by a joined map."""

from __future__ import annotations

from collections.abc import Callable

from denoise_cli.models.guidance import GUIDANCE_CHANNELS
from denoise_cli.models.unet.graph import unet
from denoise_cli.onnx.layers import Layers


def guided_unet(layers: Layers, x: str, guidance: str) -> str:
    """The output of the U-Net for `x` (1, 3, H, W) and a map (1, 32, H/8, W/8)."""
    return unet(layers.within("unet"), x, guidance)


def guidance_map(layers: Layers, classifier: Callable[[Layers, str], str], thumbnail: str, grid: int) -> str:
    """Classifier and linear layer: the map (1, 32, grid, grid) of a thumbnail (1, 3, S, S)."""
    logits = classifier(layers.within("classifier"), thumbnail)
    return layers.reshape(layers.linear(logits, "embed"), -1, GUIDANCE_CHANNELS, grid, grid)
