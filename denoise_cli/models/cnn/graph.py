"""`cnn` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def cnn(layers: Layers, x: str) -> str:
    """The output of `network.CNN` for `x` (1, 3, H, W)."""
    for number in range(5):
        x = layers.conv_relu(x, f"hidden.{number}")
    return layers.graph.add("Sigmoid", layers.conv(x, "last"))
