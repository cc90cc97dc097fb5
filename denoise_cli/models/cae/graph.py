"""`cae` as ONNX."""

from __future__ import annotations

from denoise_cli.onnx.layers import Layers


def cae(layers: Layers, x: str) -> str:
    """The output of `network.CAE` for `x` (1, 3, H, W)."""
    for number in range(6):
        x = layers.conv_relu(x, f"encoder.{number}", stride=2 - number % 2)
    # Each step of the decoder is upsampling, [batch norm,] ReLU, convolution.
    step = 4 if layers.batch_norm else 3
    for start in (0, step):
        norm = f"decoder.{start + 1}" if layers.batch_norm else None
        x = layers.relu(layers.upsample(x, f"decoder.{start}", norm))
        x = layers.conv_relu(x, f"decoder.{start + step - 1}")
    return layers.graph.add("Sigmoid", layers.upsample(x, "last"))
