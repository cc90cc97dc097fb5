"""The facts of an architecture. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from denoise_cli.errors import ModelError

Kind = Literal["denoiser", "classifier"]
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Facts of one architecture that hold for every weight file of it.

    Attributes:
        name: Registry key: small letters, digits and `_`.
        kind: The output of the network: a picture or class logits.
        summary: One line for tables.
        network: `module:class` that builds the torch module.
        graph: `module:function` that adds the same to an ONNX graph, called with `onnx.layers.Layers`
            and its inputs' names; None where there is none, so that it runs on torch alone.
        size_multiple: Height and width are padded to a multiple of this.
        receptive_radius: Pixels (in the input) that an output pixel can see in each
            direction; tiles with this halo agree with the whole picture exactly. A classifier,
            which sees all of a picture, has 0 here and in the next.
        halo: Smallest measured halo, in pixels, whose largest error on noisy
            photographs is at most 0.5/255 (`benchmarks/halo.py`).
        gflop_per_megapixel: Multiplications and additions of one forward pass, in 1e9,
            per 1e6 input pixels (without the classifier that guides a model, which sees one
            small picture).
        bytes_per_pixel: Memory of a forward pass at its peak, per input pixel, in float32
            (`benchmarks/throughput.py`); what a window of a photo may cost follows from it.
        parameters: Trainable parameters with and without batch norm (the same twice where there is
            no such switch); None: they are counted by building it, which needs torch.
        classifier: Registry key of the classifier that guides it, if any.
        unguided: Registry key of the denoiser that a guided one is without its classifier.
        batch_norm: Whether it can be built with batch normalisation; where it cannot, that
            setting is False whatever was asked for.
        predicts_noise: Whether it finds the noise and takes it off, rather than putting out the picture:
            it then knows how much noise there is, and more of what it removes is believed.
        bfloat16: Whether a runtime may compute in bfloat16, but for the sums of branches and the first
            and the last convolution: then no 8-bit value differed from float32 by more than 1 on
            photographs with noise up to sigma 50 (`benchmarks/precision.py`).
        in_study: Whether the reference study has it.
        is_default: Whether it is taken where no model of its kind is named.

    Raises:
        ValueError: The name cannot be a registry key, or a guided model lacks half of its guidance.
    """

    name: str
    kind: Kind
    summary: str
    network: str
    graph: str | None = None
    size_multiple: int
    receptive_radius: int
    halo: int
    gflop_per_megapixel: float
    bytes_per_pixel: int
    parameters: tuple[int, int] | None = None
    classifier: str | None = None
    unguided: str | None = None
    batch_norm: bool = True
    predicts_noise: bool = False
    bfloat16: bool = False
    in_study: bool = False
    is_default: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a model's name has small letters, digits and _ only, not {self.name!r}")
        if (self.classifier is None) != (self.unguided is None):
            raise ValueError(f"{self.name} needs both `classifier` and `unguided`, or neither")

    def load_network(self) -> Any:
        """The class of the torch module; raises `ModelError` where it cannot be imported."""
        return _load(self, self.network)

    def load_graph(self) -> Any:
        """The function that adds it to an ONNX graph; raises `ModelError` where there is none."""
        if self.graph is None:
            raise ModelError(f"The model {self.name} has no ONNX graph.", "Run it on torch.")
        return _load(self, self.graph)


def _load(info: ModelInfo, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # the module may be another package's, and fail in any way
        raise ModelError(
            f"The {info.kind} {info.name} cannot be loaded from {path}: {error}.",
            "Update or remove the package that adds it.",
        ) from error
