"""Read and write weight files: safetensors with the architecture in the metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from denoise_cli.errors import WeightsError
from denoise_cli.files import write_atomic
from denoise_cli.models import build_classifier, build_denoiser

if TYPE_CHECKING:
    from denoise_cli.models.registry import Kind

_KEY = "denoise"
_PICKLES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything needed to build the network of a weight file.

    Attributes:
        kind: `denoiser` or `classifier`.
        name: Registry key.
        batch_norm: The batch-norm setting.
        classes: Class names in the order of the logits; empty for plain denoisers.
        image_size: Picture size of the classifier, in pixels.
        noise: Noise that it was trained on.
    """

    kind: Kind
    name: str
    batch_norm: bool
    classes: tuple[str, ...] = ()
    image_size: int = 96
    noise: str = ""

    def build(self) -> nn.Module:
        """The network with fresh weights."""
        build = build_denoiser if self.kind == "denoiser" else build_classifier
        return build(
            self.name,
            batch_norm=self.batch_norm,
            num_classes=len(self.classes) or 10,
            image_size=self.image_size,
        )


def save_weights(
    path: Path, model: nn.Module | dict[str, Tensor], architecture: Architecture, *, half: bool = False
) -> None:
    """Write a model's state, whole or not at all; `half` stores floats as float16."""
    state = model.state_dict() if isinstance(model, nn.Module) else model
    tensors = {name: _stored(value, half) for name, value in state.items()}
    metadata = {_KEY: json.dumps(asdict(architecture))}
    write_atomic(path, to_bytes(tensors, metadata))


def load_weights(path: Path) -> tuple[Architecture, nn.Module]:
    """Build the network of a weight file, in eval mode, float32, on the CPU.

    Raises:
        WeightsError: Missing, a pickle, damaged, or not written by this program.
    """
    architecture, state = read_state(path)
    model = architecture.build()
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the architecture it names ({architecture.name}).") from error
    return architecture, model.eval()


def read_state(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """The architecture and float32 tensors of a weight file; errors as `load_weights`."""
    if not path.is_file():
        raise WeightsError(f"There is no weight file {path}.", "`denoise models` lists what there is.")
    if path.suffix.lower() in _PICKLES:
        raise WeightsError(
            f"{path} is a pickle, which can run any code when it is opened.",
            "If you trust it, load it with torch.load(..., weights_only=True) and save it with "
            "denoise_cli.weights.files.save_weights.",
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = (file.metadata() or {}).get(_KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}.") from error
    if metadata is None:
        raise WeightsError(f"{path} was not written by this program: it does not name its architecture.")
    fields = json.loads(metadata)
    architecture = Architecture(**{**fields, "classes": tuple(fields["classes"])})
    return architecture, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value
