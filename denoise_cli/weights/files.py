"""Read and write weight files: safetensors with the architecture in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from denoise_cli.files import write_atomic
from denoise_cli.models import build_classifier, build_denoiser
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.weights.header import KEY, STEPS, WeightsHeader, has_no_classifier, read_header
from denoise_cli.weights.shapes import check_shapes, compare_shapes
from denoise_cli.weights.tensors import read_tensors


def build(architecture: WeightsHeader) -> nn.Module:
    """The network of an architecture, with fresh weights."""
    a = architecture
    classes = len(a.classes) or 10
    if a.kind == "classifier":
        return build_classifier(a.name, batch_norm=a.batch_norm, num_classes=classes, image_size=a.image_size)
    return build_denoiser(
        a.name,
        batch_norm=a.batch_norm,
        num_classes=classes,
        image_size=a.image_size,
        guidance=a.guidance,
        injection=a.injection,
    )


def save_weights(
    path: Path,
    model: nn.Module | dict[str, Tensor],
    architecture: WeightsHeader,
    *,
    half: bool = False,
    steps: Mapping[str, float] | None = None,
) -> None:
    """Write a model's state, whole or not at all.

    Args:
        half: Store floats as float16.
        steps: See `read_steps`.
    """
    state = model.state_dict() if isinstance(model, nn.Module) else model
    tensors = {name: _stored(value, half) for name, value in state.items()}
    about = {KEY: json.dumps(asdict(architecture))}
    if steps:
        about[STEPS] = json.dumps(dict(steps))
    write_atomic(path, to_bytes(tensors, about))


def load_weights(path: Path) -> tuple[WeightsHeader, nn.Module]:
    """Build the network of a weight file, in eval mode, float32, on the CPU.

    Raises:
        WeightsError: Missing, a pickle, damaged, not written by this program, or with tensors that
            are not its network's or are not finite.
    """
    architecture, state = read_state(path)
    # First: what the header claims may be too large to build.
    found = {name: tuple(value.shape) for name, value in state.items()}
    check_shapes(path, architecture, found)
    model = build(architecture)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    compare_shapes(path, architecture.name, found, wanted)
    model.load_state_dict(state)
    return architecture, model.eval()


def load_classifier(path: Path) -> tuple[WeightsHeader, nn.Module]:
    """The classifier of a weight file, its own or the one inside a guided denoiser.

    The architecture returned describes the file; errors as `load_weights`.
    """
    architecture, model = load_weights(path)
    if architecture.kind == "classifier":
        return architecture, model
    if not isinstance(model, GuidedUNet):
        raise has_no_classifier(path, architecture)
    return architecture, model.classifier


def read_state(path: Path) -> tuple[WeightsHeader, dict[str, Tensor]]:
    """The architecture and float32 tensors of a weight file; errors as `load_weights`."""
    return read_header(path), {name: torch.from_numpy(v) for name, v in read_tensors(path).items()}


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value
