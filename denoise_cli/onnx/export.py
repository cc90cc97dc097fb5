"""One self-contained ONNX file of a denoiser, for use in other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from denoise_cli.errors import OutputExists, UsageError, WeightsError
from denoise_cli.files import sha256, write_atomic
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import denoiser_info
from denoise_cli.onnx.difference import difference_from_torch
from denoise_cli.onnx.graphs import PICTURES, guidance, why_no_graph
from denoise_cli.onnx.layers import Layers
from denoise_cli.onnx.protobuf import INT64, OPSET, OPSETS, Graph, Shape, metadata_entry
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.shapes import read_fitting
from denoise_cli.weights.store import find_card


@dataclass(frozen=True, slots=True)
class Exported:
    """What has been written.

    Attributes:
        architecture: From the header of the weight file.
        difference: Largest difference from PyTorch on three pictures, of values in [0, 1]; None where
            PyTorch is not installed.
    """

    architecture: WeightsHeader
    difference: float | None


def export_onnx(
    weights: Path, output: Path, *, overwrite: bool, opset: int = OPSET, half: bool = False
) -> Exported:
    """Write the denoiser of a weight file as ONNX: `image` (N, 3, H, W) in [0, 1] to `denoised`.

    Padding to the size multiple, cropping, and the guidance of a guided model are inside, so that any
    number, height and width is taken; batch norm is folded in. The file's metadata say what it is:
    program, architecture, noise, weights, licence, scores, and how near it comes to PyTorch.

    Args:
        opset: Version of ONNX's operator set.
        half: Store the weights as float16; the network computes in float32.

    Raises:
        OutputExists: `output` is there already and may not be replaced.
        UsageError: There is no such operator set.
        WeightsError: The weights cannot be read, or their network or guidance has no graph.
    """
    if opset not in OPSETS:
        raise UsageError(
            f"Networks cannot be written in ONNX's operator set {opset}.",
            f"Use one from {OPSETS.start} to {OPSETS.stop - 1}.",
        )
    check_free(output, overwrite)
    architecture, model = denoiser_as_onnx(
        weights, ("image", "denoised"), shape=PICTURES, opset=opset, half=half
    )
    difference = difference_from_torch(weights, model)
    about = _describe(weights, architecture, difference)
    model += b"".join(metadata_entry(key, value) for key, value in about.items())
    write_exported(output, model, overwrite)
    return Exported(architecture, difference)


def check_free(output: Path, overwrite: bool) -> None:
    """Raise `OutputExists` where a file is there that may not be replaced."""
    if output.exists() and not overwrite:
        raise _exists_already(output)


def write_exported(output: Path, data: bytes, overwrite: bool) -> None:
    """Write a file whole or not at all; raises `OutputExists` where one has come to be there meanwhile."""
    try:
        write_atomic(output, data, replace=overwrite)
    except FileExistsError as error:
        raise _exists_already(output) from error


def denoiser_as_onnx(
    weights: Path, names: tuple[str, str], *, shape: Shape, opset: int = OPSET, half: bool = False
) -> tuple[WeightsHeader, bytes]:
    """The architecture of a weight file, and its whole network as `export_onnx` writes it.

    Args:
        names: Of the input and of the output.
        shape: Of both.
        opset, half: As for `export_onnx`.
    """
    architecture = read_header(weights)
    if lacking := why_no_graph(architecture):
        raise WeightsError(
            f"{weights} cannot be exported: there is no ONNX graph of {lacking}.",
            "Export weights of another model, or with predicted guidance by concat.",
        )
    info = denoiser_info(architecture.name)
    graph = Graph(half=half)
    layers = Layers(graph, read_fitting(weights, architecture), architecture.batch_norm)
    image = graph.input(names[0], shape)
    graph.output(_whole(layers, info, architecture, image), names[1], shape)
    return architecture, graph.serialize(version("denoise-cli"), opset)


def _describe(weights: Path, architecture: WeightsHeader, difference: float | None) -> Mapping[str, str]:
    """The metadata of an exported file."""
    about = {
        "denoise": json.dumps(asdict(architecture)),
        "program": f"denoise-cli {version('denoise-cli')}",
        "noise": architecture.noise,
        "weights_sha256": sha256(weights),
    }
    if difference is not None:
        about["largest_difference_from_torch"] = f"{difference:.3g}"
    card = find_card(weights)
    if card is not None:
        about["licence"] = card.licence
        about["scores"] = json.dumps([score.model_dump(mode="json") for score in card.scores])
    return about


def _exists_already(output: Path) -> OutputExists:
    return OutputExists(f"{output} exists already.", "Add --overwrite, or name another --output.")


def _whole(layers: Layers, info: ModelInfo, architecture: WeightsHeader, image: str) -> str:
    """Pad, denoise and crop."""
    graph = layers.graph
    size = graph.add("Shape", image, start=2)
    multiple = graph.constant(np.array([info.size_multiple], np.int64))
    missing = graph.add("Mod", graph.add("Neg", size), multiple)
    # A side that is too short to be mirrored repeats its edge instead, as `models.padding` says.
    mirrored = graph.add("Mul", missing, graph.add("Cast", graph.add("Greater", size, missing), to=INT64))
    begin = graph.constant(np.zeros(6, np.int64))
    padded = graph.add("Pad", image, graph.add("Concat", begin, mirrored, axis=0), mode="reflect")
    repeated = graph.add("Concat", begin, graph.add("Sub", missing, mirrored), axis=0)
    padded = graph.add("Pad", padded, repeated, mode="edge")
    inputs = [padded]
    if info.classifier is not None:
        inputs.append(_guidance(layers, info, architecture.image_size, image, padded))
    y = info.load_graph()(layers, *inputs)
    zero = graph.constant(np.zeros(2, np.int64))
    return graph.add("Slice", y, zero, size, graph.constant(np.array([2, 3], np.int64)))


def _guidance(layers: Layers, info: ModelInfo, side: int, image: str, padded: str) -> str:
    """The map that a guided model makes of the whole image, at 1/8 of the padded size."""
    graph = layers.graph
    height = _antialias_weights(graph, graph.add("Shape", image, start=2, end=3), side)
    width = _antialias_weights(graph, graph.add("Shape", image, start=3, end=4), side)
    thumbnail = graph.add("MatMul", graph.add("MatMul", height, image), graph.add("Transpose", width))
    grid = guidance(layers, info, thumbnail, side // 8)
    eighth = graph.add("Div", graph.add("Shape", padded, start=2), graph.constant(np.array([8], np.int64)))
    leading = graph.add("Shape", grid, start=0, end=2)
    shape = graph.add("Concat", leading, eighth, axis=0)
    return graph.add("Resize", grid, "", "", shape, mode="linear")


def _antialias_weights(graph: Graph, length: str, side: int) -> str:
    """Matrix (side, length) that resizes, antialiased; the length is known only at run time.

    ONNX's own antialiased resizing differs from torch's by about 1e-5, which a network enlarges.
    """
    half, one = _number(graph, 0.5), _number(graph, 1)
    size = graph.add("Squeeze", graph.add("Cast", length, to=1))
    scale = graph.add("Div", size, _number(graph, side))
    targets = graph.constant(np.arange(side, dtype=np.float32)[:, None] + np.float32(0.5))
    places = graph.add("Add", graph.add("Range", _number(graph, 0), size, one), half)
    distances = graph.add("Abs", graph.add("Sub", places, graph.add("Mul", targets, scale)))
    heights = graph.add(
        "Relu", graph.add("Sub", one, graph.add("Div", distances, graph.add("Max", scale, one)))
    )
    axis = graph.constant(np.array([1], np.int64))
    return graph.add("Div", heights, graph.add("ReduceSum", heights, axis, keepdims=1))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))
