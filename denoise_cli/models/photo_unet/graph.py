"""`photo_unet` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def photo_unet(layers: Layers, x: str) -> str:
    """The output of `network.PhotoUNet` for `x` (1, 3, H, W) in eval mode, at any depth."""
    y = layers.unshuffled_conv(x, "first")
    skips = []
    depth = layers.count("down")
    for level in range(depth):
        y = _residual_blocks(layers, y, f"encoder.{level}")
        skips.append(y)
        y = layers.downsample(y, f"down.{level}")
    y = _residual_blocks(layers, y, "middle")
    for level in range(depth):
        y = layers.graph.add("Add", layers.upsample(y, f"up.{level}"), skips.pop())
        y = _residual_blocks(layers, y, f"decoder.{level}")
    noise = layers.graph.add("DepthToSpace", layers.conv(y, "last"), blocksize=2, mode="CRD")
    return layers.clip(layers.graph.add("Sub", x, noise))


def _residual_blocks(layers: Layers, x: str, name: str) -> str:
    for block in range(layers.count(name)):
        inner = f"{name}.{block}"
        first, second = f"{inner}.first", f"{inner}.second"
        if layers.in_8_bits(inner):
            y = layers.relu(layers.conv_8_bits(x, first, signed=True))
            y = layers.rounded(layers.conv_8_bits(y, second, signed=False), inner, signed=True)
        else:
            y = layers.conv(layers.relu(layers.conv(x, first)), second)
        x = layers.graph.add("Add", y, x)
    return x
