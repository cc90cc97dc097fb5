"""The header of a weight file: the architecture it holds. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from denoise_cli.errors import WeightsError
from denoise_cli.models.guidance import NEEDS_EXTERNAL_LOGITS, Injection, Source
from denoise_cli.models.info import Kind
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS

KEY = "denoise"
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
        guidance: Source of a guided denoiser; unused by all others.
        injection: How the guidance enters the U-Net.
    """

    kind: Kind
    name: str
    batch_norm: bool
    classes: tuple[str, ...] = ()
    image_size: int = 96
    noise: str = ""
    guidance: Source = "predicted"
    injection: Injection = "concat"


def reject_external_guidance(architecture: Architecture, path: str | Path) -> None:
    """Refuse a denoiser whose guidance cannot be computed from a photo; raises `WeightsError`."""
    if architecture.guidance in NEEDS_EXTERNAL_LOGITS:
        raise WeightsError(
            f"{path} has `{architecture.guidance}` guidance, which needs information that no "
            "photo shows, so it can only be scored on test images.",
            "Use weights with predicted, features or zero guidance.",
        )


def read_header(path: Path) -> Architecture:
    """The architecture of a weight file.

    Raises:
        WeightsError: Missing, a pickle, damaged, not written by this program, or of a model that
            no installed package adds.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weight file {path}.", "`denoise models` lists what there is.")
    if path.suffix.lower() in _PICKLES:
        raise WeightsError(
            f"{path} is a pickle, which can run any code when it is opened.",
            "If you trust it, load it with torch.load(..., weights_only=True) and write it with "
            "denoise_cli.weights.files.save_weights.",
        )
    try:
        with safe_open(path, "numpy") as file:
            metadata = (file.metadata() or {}).get(KEY)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}.") from error
    if metadata is None:
        raise WeightsError(f"{path} was not written by this program: it does not name its architecture.")
    try:
        fields = json.loads(metadata)
        architecture = Architecture(**{**fields, "classes": tuple(fields["classes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(
            f"{path} describes its architecture in a way that this version does not know: {error}.",
            "Update the program, or take weights that it has written.",
        ) from error
    if architecture.name not in (DENOISERS if architecture.kind == "denoiser" else CLASSIFIERS):
        raise WeightsError(
            f"{path} holds the {architecture.kind} {architecture.name!r}, which this installation lacks.",
            "Install the package that adds it; `denoise models` lists what there is.",
        )
    return architecture
