"""The layers of our networks as ONNX operators, batch norm folded into the convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from denoise_cli.onnx.protobuf import Graph

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]
_BATCH_NORM_EPSILON = 1e-5
# Processors without VNNI add two products of 8-bit numbers in 16 bits: 2 * 255 * 63 fits into them.
_LARGEST_WEIGHT = 63
_TINY = 1e-12
_T = TypeVar("_T")


class Layers:
    """Adds layers, named as in a weight file, to a graph.

    Args:
        graph: Receives the operators.
        tensors: The weight file's tensors, float32.
        batch_norm: Whether convolutions are followed by batch norm.
        steps: Of the values that are rounded to whole numbers of 8 bits, by the names of what takes or
            gives them; where there is none, all is computed in float32.
    """

    def __init__(
        self, graph: Graph, tensors: Tensors, batch_norm: bool, steps: Mapping[str, float] | None = None
    ) -> None:
        self.graph = graph
        self.batch_norm = batch_norm
        self._tensors = tensors
        self._steps = steps or {}

    def within(self, name: str) -> Layers:
        """The layers of the sub-network called `name`, by their names in it."""
        return Layers(self.graph, _within(self._tensors, name), self.batch_norm, _within(self._steps, name))

    def conv(self, x: str, name: str, norm: str | None = None, stride: int = 1) -> str:
        """Convolution with padding that keeps the size, then the batch norm called `norm`."""
        weight, bias = self._folded(name, norm, output_axis=0)
        side = weight.shape[-1]
        return self._convolve("Conv", x, weight, bias, strides=[stride] * 2, pads=[side // 2] * 4)

    def conv_relu(self, x: str, name: str, stride: int = 1) -> str:
        """`conv_bn_relu` of `models.layers`."""
        norm = f"{name}.1" if self.batch_norm else None
        return self.relu(self.conv(x, f"{name}.0", norm, stride))

    def double_conv(self, x: str, name: str) -> str:
        """Two times `conv_relu`."""
        return self.conv_relu(self.conv_relu(x, f"{name}.0"), f"{name}.1")

    def double_conv_joined(self, parts: Sequence[str], name: str) -> str:
        """`double_conv` of the parts joined along the channels.

        The convolution of each part is added up instead, which spares the memory of the joined
        picture, the peak of a U-Net. All parts but the last have as many channels as come out.
        """
        first = f"{name}.0.0", f"{name}.0.1" if self.batch_norm else None
        weight, bias = self._folded(*first, output_axis=0)
        total = ""
        for number, part in enumerate(parts):
            start, stop = number * len(weight), (number + 1) * len(weight)
            share = np.ascontiguousarray(weight[:, start:stop])
            part_bias = bias if number == 0 else np.zeros_like(bias)
            y = self._convolve("Conv", part, share, part_bias, strides=[1, 1], pads=[1] * 4)
            total = self.graph.add("Add", total, y) if total else y
        return self.conv_relu(self.relu(total), f"{name}.1")

    def upsample(self, x: str, name: str, norm: str | None = None) -> str:
        """Transposed convolution that doubles the size (2x2, or 3x3 with output padding)."""
        weight, bias = self._folded(name, norm, output_axis=1)
        if weight.shape[-1] == 3:
            # 3x3 kernels lose a row and a column at the start of the doubled grid.
            return self._convolve("ConvTranspose", x, weight, bias, strides=[2, 2], pads=[1, 1, 0, 0])
        # 2x2 kernels meet it exactly: each of the four pixels is a 1x1 convolution of its own. This
        # way the peak memory of a U-Net is a quarter less.
        channels_in, channels_out = weight.shape[:2]
        four = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(4 * channels_out, channels_in, 1, 1)
        y = self._convolve("Conv", x, four, np.tile(bias, 4), strides=[1, 1], pads=[0] * 4)
        return self.graph.add("DepthToSpace", y, blocksize=2, mode="DCR")

    def downsample(self, x: str, name: str) -> str:
        """2x2 convolution with stride 2."""
        weight, bias = self._folded(name, None, output_axis=0)
        return self._convolve("Conv", x, weight, bias, strides=[2, 2], pads=[0] * 4)

    def unshuffled_conv(self, x: str, name: str) -> str:
        """3x3 convolution of the picture pixel-unshuffled by 2, as one 6x6 convolution of the picture.

        Channel 4c + 2i + j of the unshuffled picture is channel c at row i, column j of each 2x2
        cell (as torch orders them; ONNX's SpaceToDepth orders them otherwise).
        """
        weight, bias = self._folded(name, None, output_axis=0)
        cells = weight.reshape(len(weight), -1, 2, 2, 3, 3).transpose(0, 1, 4, 2, 5, 3)
        whole = np.ascontiguousarray(cells.reshape(len(weight), -1, 6, 6))
        return self._convolve("Conv", x, whole, bias, strides=[2, 2], pads=[2] * 4)

    def in_8_bits(self, name: str) -> bool:
        """Whether the values that the layer called `name` takes, or the block gives, are in 8 bits."""
        return name in self._steps

    def rounded(self, x: str, name: str, *, signed: bool) -> str:
        """`x` rounded to whole numbers of 8 bits times the step called `name`."""
        zero = self.graph.constant(np.array(128 if signed else 0, np.uint8))
        step = self.graph.constant(np.array(self._steps[name], np.float32))
        whole = self.graph.add("QuantizeLinear", x, step, zero)
        return self.graph.add("DequantizeLinear", whole, step, zero)

    def conv_8_bits(self, x: str, name: str, *, signed: bool) -> str:
        """As `conv`, without batch norm, of `x` and weights in 8 bits: runtimes then add whole numbers."""
        x = self.rounded(x, name, signed=signed)
        weight, bias = (self._tensors[f"{name}.{part}"] for part in ("weight", "bias"))
        steps = np.maximum(np.abs(weight).max((1, 2, 3)), np.float32(_TINY)) / np.float32(_LARGEST_WEIGHT)
        sums = np.float32(self._steps[name]) * steps
        parts = (
            (np.rint(weight / steps[:, None, None, None]).astype(np.int8), steps),
            (np.clip(np.rint(bias / sums), -(2**30), 2**30).astype(np.int32), sums),
        )
        names = (
            self.graph.add(
                "DequantizeLinear",
                *map(self.graph.constant, (whole, step, np.zeros(len(step), whole.dtype))),
                axis=0,
            )
            for whole, step in parts
        )
        side = weight.shape[-1]
        return self.graph.add(
            "Conv", x, *names, kernel_shape=[side] * 2, strides=[1, 1], pads=[side // 2] * 4
        )

    def linear(self, x: str, name: str) -> str:
        """Fully connected layer on (B, features)."""
        weight, bias = (self.graph.weight(self._tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.graph.add("Gemm", x, weight, bias, transB=1)

    def relu(self, x: str) -> str:
        return self.graph.add("Relu", x)

    def max_pool(self, x: str, side: int = 2, padding: int = 0) -> str:
        """Max-pooling with stride 2."""
        return self.graph.add("MaxPool", x, kernel_shape=[side] * 2, strides=[2, 2], pads=[padding] * 4)

    def reshape(self, x: str, *shape: int) -> str:
        return self.graph.add("Reshape", x, self.graph.constant(np.array(shape, np.int64)))

    def clip(self, x: str) -> str:
        """Clamp to [0, 1]."""
        low, high = (self.graph.constant(np.array(value, np.float32)) for value in (0, 1))
        return self.graph.add("Clip", x, low, high)

    def count(self, name: str) -> int:
        """Number of layers in the list called `name`."""
        found = {key[len(name) + 1 :].split(".")[0] for key in self._tensors if key.startswith(f"{name}.")}
        return len(found)

    def has(self, name: str) -> bool:
        """Whether the weight file has a tensor of this name."""
        return name in self._tensors

    def _convolve(
        self, operator: str, x: str, weight: Array, bias: Array, *, strides: list[int], pads: list[int]
    ) -> str:
        names = self.graph.weight(weight), self.graph.weight(bias)
        kernel = list(weight.shape[2:])
        return self.graph.add(operator, x, *names, kernel_shape=kernel, strides=strides, pads=pads)

    def _folded(self, name: str, norm: str | None, output_axis: int) -> tuple[Array, Array]:
        """Weight and bias of a convolution with its batch norm multiplied in."""
        weight = self._tensors[f"{name}.weight"]
        bias = self._tensors.get(f"{name}.bias", np.zeros(weight.shape[output_axis], np.float32))
        if norm is None:
            return weight, bias
        mean, variance = self._tensors[f"{norm}.running_mean"], self._tensors[f"{norm}.running_var"]
        scale = self._tensors[f"{norm}.weight"] / np.sqrt(variance + np.float32(_BATCH_NORM_EPSILON))
        shape = [1] * weight.ndim
        shape[output_axis] = -1
        return weight * scale.reshape(shape), self._tensors[f"{norm}.bias"] + (bias - mean) * scale


def _within(entries: Mapping[str, _T], name: str) -> dict[str, _T]:
    """The entries of the sub-network called `name`, by their names in it."""
    start = f"{name}."
    return {key[len(start) :]: value for key, value in entries.items() if key.startswith(start)}
