"""The classifier `resnet` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def logits(layers: Layers, x: str) -> str:
    """The output of `network.ResNetClassifier` for `x` (1, 3, S, S)."""
    x = layers.conv(x, "stem.0", "stem.1" if layers.batch_norm else None, stride=2)
    x = layers.relu(layers.max_pool(x, 3, padding=1))
    for block in range(8):
        x = _basic_block(layers, x, f"blocks.{block}", stride=2 if block < 2 else 1)
    return layers.linear(layers.graph.add("Flatten", layers.graph.add("GlobalAveragePool", x)), "linear")


def _basic_block(layers: Layers, x: str, name: str, stride: int) -> str:
    y = layers.conv(layers.conv_relu(x, f"{name}.first", stride), f"{name}.second")
    if layers.has(f"{name}.shortcut.0.weight"):
        norm = f"{name}.shortcut.1" if layers.batch_norm else None
        x = layers.conv(x, f"{name}.shortcut.0", norm, stride)
    return layers.relu(layers.graph.add("Add", y, x))
