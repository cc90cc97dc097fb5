"""The classifier `cnn` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def logits(layers: Layers, x: str) -> str:
    """The output of `network.CNNClassifier` for `x` (1, 3, S, S)."""
    for block in range(3):
        x = layers.conv_relu(x, f"blocks.{3 * block}")
        x = layers.max_pool(layers.conv_relu(x, f"blocks.{3 * block + 1}"))
    return layers.linear(layers.graph.add("Flatten", x), "linear")
