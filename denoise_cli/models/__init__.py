"""Architectures and their registry. `build_denoiser` and `build_classifier` import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoise_cli.models.guidance import GuidanceInjection, GuidanceSource
from denoise_cli.models.info import ModelInfo
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS, classifier_info, denoiser_info

if TYPE_CHECKING:
    from torch import nn

    from denoise_cli.models.classifiers.base import Classifier

__all__ = [
    "CLASSIFIERS",
    "DENOISERS",
    "ModelInfo",
    "build_classifier",
    "build_denoiser",
    "classifier_info",
    "count_parameters",
    "count_trainable",
    "denoiser_info",
]


def build_denoiser(
    name: str,
    *,
    batch_norm: bool = True,
    num_classes: int = 10,
    image_size: int = 96,
    guidance: GuidanceSource = "predicted",
    injection: GuidanceInjection = "concat",
) -> nn.Module:
    """Build a denoiser with fresh weights.

    Args:
        name: A key of `DENOISERS`.
        batch_norm: Normalise after each hidden convolution; a guided model's classifier
            has the same setting. Ignored by a model that has no batch norm.
        num_classes: Classes of the guiding classifier; unused by plain denoisers.
        image_size: Picture size, in pixels, of the guiding classifier.
        guidance: Source of the guidance of a guided model.
        injection: How the guidance enters the U-Net.

    Raises:
        UnknownName: The name is in no registry.
        ModelError: Another package's network cannot be imported.
    """
    info = denoiser_info(name)
    if info.classifier is None:
        settings = {"batch_norm": batch_norm} if info.batch_norm else {}
        plain: nn.Module = info.load_network()(**settings)
        return plain
    guide = build_classifier(
        info.classifier, batch_norm=batch_norm, num_classes=num_classes, image_size=image_size
    )
    guided: nn.Module = info.load_network()(guide, batch_norm, guidance, injection)
    return guided


def build_classifier(
    name: str, *, batch_norm: bool = True, num_classes: int = 10, image_size: int = 96
) -> Classifier:
    """Build a classifier with fresh weights; arguments as in `build_denoiser`."""
    network = classifier_info(name).load_network()
    model: Classifier = network(batch_norm=batch_norm, num_classes=num_classes, image_size=image_size)
    return model


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters (a guided model's frozen classifier is not counted)."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_trainable(info: ModelInfo) -> tuple[int, int]:
    """Trainable parameters of an architecture with and without batch norm, counted by building it."""
    build = build_denoiser if info.kind == "denoiser" else build_classifier
    with_norm, without = (count_parameters(build(info.name, batch_norm=on)) for on in (True, False))
    return with_norm, without
