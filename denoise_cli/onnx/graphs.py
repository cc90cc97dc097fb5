"""Networks as ONNX graphs, built from the tensors of a weight file without torch.

The `graph.py` of an architecture repeats its `network.py` as ONNX operators; a test checks that both
compute the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from denoise_cli.models.guidance import GUIDANCE_CHANNELS
from denoise_cli.models.guided_graph import guidance_map
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import classifier_info, denoiser_info
from denoise_cli.onnx.layers import Layers, Tensors
from denoise_cli.onnx.protobuf import Graph
from denoise_cli.weights.header import WeightsHeader

PICTURE = (1, 3, "height", "width")
PICTURES = ("batch", 3, "height", "width")


def why_no_graph(architecture: WeightsHeader) -> str:
    """Why a denoiser cannot be built here, as the end of "There is no ONNX graph of"; empty where it can.

    Guidance other than the study's has no graph, nor has a network whose entry names none.
    """
    info = denoiser_info(architecture.name)
    if info.graph is None:
        return f"the model {info.name}"
    if info.classifier is not None and classifier_info(info.classifier).graph is None:
        return f"the classifier {info.classifier}, which guides the model {info.name}"
    if (architecture.guidance, architecture.injection) != ("predicted", "concat"):
        return f"{architecture.guidance} guidance by {architecture.injection}"
    return ""


def denoiser_graph(
    name: str, tensors: Tensors, batch_norm: bool, steps: Mapping[str, float] | None = None
) -> bytes:
    """The model from `image` (1, 3, H, W), sizes multiples of the size multiple, to `denoised`.

    A guided model has a second input `guidance` (1, 32, H/8, W/8). `steps`: see `Layers`.
    """
    graph = Graph()
    layers = Layers(graph, tensors, batch_norm, steps)
    info = denoiser_info(name)
    inputs = [graph.input("image", PICTURE)]
    if info.classifier is not None:
        inputs.append(graph.input("guidance", (1, GUIDANCE_CHANNELS, "rows", "columns")))
    graph.output(info.load_graph()(layers, *inputs), "denoised", PICTURE)
    return graph.serialize()


def guidance_graph(name: str, tensors: Tensors, batch_norm: bool, image_size: int) -> bytes:
    """The model from `thumbnail` (1, 3, S, S) to `guidance` (1, 32, S/8, S/8)."""
    graph = Graph()
    layers = Layers(graph, tensors, batch_norm)
    thumbnail = graph.input("thumbnail", (1, 3, image_size, image_size))
    shape = (1, GUIDANCE_CHANNELS, image_size // 8, image_size // 8)
    graph.output(guidance(layers, denoiser_info(name), thumbnail, image_size // 8), "guidance", shape)
    return graph.serialize()


def guidance(layers: Layers, info: ModelInfo, thumbnail: str, grid: int) -> str:
    """The map (1, 32, grid, grid) of a guided model."""
    if info.classifier is None:
        raise ValueError(f"{info.name} is not guided")
    return guidance_map(layers, classifier_info(info.classifier).load_graph(), thumbnail, grid)
