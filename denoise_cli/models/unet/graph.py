"""`unet` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def unet(layers: Layers, x: str, guidance: str | None = None) -> str:
    """The output of `network.UNet` for `x` (1, 3, H, W) and, if there is one, a guidance map."""
    skips = []
    for level in range(4):
        x = layers.double_conv(x, f"down.{level}")
        skips.append(x)
        x = layers.max_pool(x)
    x = layers.double_conv(x, "bottleneck")
    for level in range(4):
        parts = [skips.pop(), layers.upsample(x, f"upsample.{level}")]
        if guidance is not None and level == 0:
            parts.append(guidance)
        x = layers.double_conv_joined(parts, f"up.{level}")
    return layers.graph.add("Sigmoid", layers.conv(x, "last"))
