"""An ONNX file of any program as a denoiser, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from denoise_cli.errors import WeightsError
from denoise_cli.external.network import AnyPicture, ExternalNetwork, mirrored
from denoise_cli.files import sha256
from denoise_cli.onnx.runtime import ort

# Sides that networks of several scales ask to be multiples of, tried in turn where a size is refused.
_MULTIPLES = (1, 8, 16, 32, 64)
# Pixels by which the tiles of a network of one fixed size overlap on each side.
_OVERLAP = 32


class OnnxNetwork(nn.Module):
    """Pictures (B, C, H, W) through an ONNX session, whose batch size may be one."""

    def __init__(self, session: Any, name: str) -> None:
        super().__init__()
        (image,), (output,) = session.get_inputs(), session.get_outputs()
        self._session, self._input, self._output, self._name = session, image.name, output.name, name
        self._type = np.float16 if image.type == "tensor(float16)" else np.float32
        self._whole_batches = image.shape[0] != 1
        self._multiple = 0

    def forward(self, x: Tensor) -> Tensor:
        batches = [x] if self._whole_batches else [picture[None] for picture in x]
        return torch.cat([self._run(batch) for batch in batches]).to(x.device)

    def _run(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        error: Exception | None = None
        for multiple in [self._multiple] if self._multiple else _MULTIPLES:
            sides = [-(-side // multiple) * multiple for side in (height, width)]
            padded = mirrored(x, *sides).cpu().numpy().astype(self._type)
            try:
                (y,) = self._session.run([self._output], {self._input: padded})
            except Exception as failure:  # ONNX Runtime has no public class of its errors.
                error = failure
                continue
            if y.shape != padded.shape:
                break
            self._multiple = multiple
            return torch.from_numpy(y.astype(np.float32))[..., :height, :width]
        raise WeightsError(
            f"{self._name} cannot denoise a picture of {width}x{height} pixels: "
            + (str(error).splitlines()[0] if error else "its output has another size."),
        ) from error


class Tiled(nn.Module):
    """Pictures through a network of one fixed size, in tiles that overlap."""

    def __init__(self, network: nn.Module, height: int, width: int) -> None:
        super().__init__()
        self.network, self._sides = network, (height, width)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = mirrored(x, max(height, self._sides[0]), max(width, self._sides[1]))
        result = torch.empty_like(padded)
        for top, keep_rows in _windows(padded.shape[2], self._sides[0]):
            for left, keep_columns in _windows(padded.shape[3], self._sides[1]):
                tile = padded[..., top : top + self._sides[0], left : left + self._sides[1]]
                inner = slice(keep_rows.start - top, keep_rows.stop - top)
                across = slice(keep_columns.start - left, keep_columns.stop - left)
                result[..., keep_rows, keep_columns] = self.network(tile)[..., inner, across]
        return result[..., :height, :width]


def load_onnx(path: Path) -> ExternalNetwork:
    """A denoiser from an ONNX file: one input (N, 1 or 3, H, W) in [0, 1], one output of its size.

    Sizes may be dynamic or fixed, the batch too.

    Raises:
        WeightsError: Not an ONNX file, or not one from pictures to pictures.
    """
    try:
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no public class of its errors.
        raise WeightsError(f"{path} is not an ONNX file that can be read: {_first_line(error)}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    channels = shape[1] if len(shape) == 4 and isinstance(shape[1], int) else 3
    fits = len(inputs) == len(outputs) == 1 and len(shape) == len(outputs[0].shape) == 4
    if not fits or channels not in {1, 3} or inputs[0].type not in {"tensor(float)", "tensor(float16)"}:
        found = ", ".join(f"{each.name} {each.shape}" for each in (*inputs, *outputs))
        raise WeightsError(
            f"{path} is not a network from one picture to one picture ({found}).",
            "It must have one input and one output (N, 3, height, width) of float32 in [0, 1].",
        )
    network: nn.Module = OnnxNetwork(session, str(path))
    if isinstance(shape[2], int) and isinstance(shape[3], int):
        network = Tiled(network, shape[2], shape[3])
    return ExternalNetwork(
        name=path.stem,
        module=AnyPicture(network, channels=channels),
        sha256=sha256(path),
        parameters=_parameters(path),
        kind="ONNX",
    )


def _windows(length: int, side: int) -> list[tuple[int, slice]]:
    """Where windows of `side` begin in `length`, and the part that each of them gives."""
    if length <= side:
        return [(0, slice(0, length))]
    overlap = min(_OVERLAP, (side - 1) // 2)
    step = side - 2 * overlap
    starts = [*range(0, length - side, step), length - side]
    ends = [start + side - overlap for start in starts[:-1]] + [length]
    begins = [0, *ends[:-1]]
    return [(start, slice(a, b)) for start, a, b in zip(starts, begins, ends, strict=True)]


def _parameters(path: Path) -> int:
    """The numbers in the weights of a file; 0 where the `onnx` package is not there to count them."""
    try:
        import onnx
    except ImportError:
        return 0
    graph = onnx.load(path, load_external_data=False).graph
    return sum(prod(tensor.dims) for tensor in graph.initializer if len(tensor.dims) > 0)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
