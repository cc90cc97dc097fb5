"""The header of a weight file: the architecture it holds. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open

from denoise_cli.errors import UsageError, WeightsError
from denoise_cli.models.guidance import NEEDS_EXTERNAL_LOGITS, GuidanceInjection, GuidanceSource
from denoise_cli.models.info import Kind
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS, either

KEY = "denoise"
STEPS = "steps of 8 bits"
"""The key of `read_steps`."""
# Far above any use; what a file claims is believed only within them.
MOST_CLASSES = 65_536
LARGEST_IMAGE = 4096
_LONGEST_NAME = 255
_LONGEST_TEXT = 4 * 2**20
_PICKLES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".bin"})


@dataclass(frozen=True, slots=True)
class WeightsHeader:
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
    guidance: GuidanceSource = "predicted"
    injection: GuidanceInjection = "concat"


def reject_external_guidance(architecture: WeightsHeader, path: str | Path) -> None:
    """Refuse a denoiser whose guidance cannot be computed from a photo; raises `WeightsError`."""
    if architecture.guidance in NEEDS_EXTERNAL_LOGITS:
        raise WeightsError(
            f"{path} has `{architecture.guidance}` guidance, which needs information that no "
            "photo shows, so it can only be scored on test images.",
            "Use weights with predicted, features or zero guidance.",
        )


def check_batch_norm(weights: str | Path, header: WeightsHeader, wanted: bool | None) -> None:
    """Refuse weights of the other setting than is asked for; raises `UsageError`."""
    has_choice = header.kind == "classifier" or DENOISERS[header.name].batch_norm
    if has_choice and wanted not in {None, header.batch_norm}:
        setting = "with" if header.batch_norm else "without"
        raise UsageError(
            f"{weights} was trained {setting} batch norm.", "Leave --batchnorm and --no-batchnorm out."
        )


def is_ours(path: Path) -> bool:
    """Whether a weight file names its architecture as this program does; a damaged file counts as ours."""
    if path.suffix.lower() in _PICKLES:
        return False
    try:
        with safe_open(path, "numpy") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return True


def read_header(path: Path) -> WeightsHeader:
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
    if path.suffix.lower() == ".onnx":
        raise WeightsError(
            f"{path} is an ONNX file already, and holds no weights of this program.",
            "denoise-image, test and compare take it as it is.",
        )
    try:
        with safe_open(path, "numpy") as file:
            metadata = (file.metadata() or {}).get(KEY)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}.") from error
    if metadata is None:
        raise WeightsError(
            f"{path} was not written by this program: it does not name its architecture.",
            "`denoise models` lists what there is.",
        )
    try:
        architecture = _parse(metadata)
    except (ValueError, RecursionError) as error:
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


def read_steps(path: Path) -> dict[str, float]:
    """The steps with which a network may compute in 8 bits, see `onnx.layers.Layers`; empty without them.

    Raises:
        WeightsError: They are not what this program writes; and as `read_header`.
    """
    read_header(path)
    with safe_open(path, "numpy") as file:
        text = (file.metadata() or {}).get(STEPS, "{}")
    try:
        steps = json.loads(text) if len(text) <= _LONGEST_TEXT else None
    except (ValueError, RecursionError):
        steps = None
    if not isinstance(steps, dict) or not all(map(_is_step, steps.values())):
        raise WeightsError(
            f"{path} says in a way that this version does not know how to compute in 8 bits.",
            "Leave --runtime out.",
        )
    return steps


def has_no_classifier(path: str | Path, header: WeightsHeader) -> WeightsError:
    """The error for a file that a classifier is wanted of."""
    return WeightsError(
        f"{path} holds the denoiser {header.name!r}, which has no classifier.",
        "Name a classifier or a guided network; `denoise models` lists them.",
    )


def _parse(text: str) -> WeightsHeader:
    """The architecture that a header's JSON describes; raises `ValueError` that says what is wrong."""
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"it has {len(text):,} characters")
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")
    known = {field.name: field for field in fields(WeightsHeader)}
    unknown = sorted(values.keys() - known.keys())
    missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
    if unknown or missing:
        raise ValueError(f"unknown key {_shown(unknown[0])}" if unknown else f"`{missing[0]}` is missing")
    for name, value in values.items():
        rule = _RULES[name](value)
        if rule:
            raise ValueError(f"`{name}` is {_shown(value)}, not {rule}")
    architecture = WeightsHeader(**{**values, "classes": tuple(values.get("classes", ()))})
    needs_classes = architecture.kind == "classifier" or _guide_of(architecture.name) is not None
    if needs_classes and not architecture.classes:
        raise ValueError("`classes` names none")
    return architecture


def _is_step(value: object) -> bool:
    """Whether it is the step of a network's values; one beyond these limits would leave nothing of them."""
    return isinstance(value, float) and 1e-9 < value < 1e6


def _guide_of(name: str) -> str | None:
    return DENOISERS[name].classifier if name in DENOISERS else None


def _one_of(*choices: str) -> Any:
    return lambda value: "" if isinstance(value, str) and value in choices else either(choices)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and len(value) <= _LONGEST_NAME else "a short text"


def _size(value: Any) -> str:
    fits = type(value) is int and 8 <= value <= LARGEST_IMAGE and value % 8 == 0
    return "" if fits else f"a multiple of 8 from 8 to {LARGEST_IMAGE}"


def _class_names(value: Any) -> str:
    """The names are distinct, because labels are found by name."""
    if not isinstance(value, list) or len(value) > MOST_CLASSES:
        return f"a list of at most {MOST_CLASSES} names"
    named = all(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME for name in value)
    return "" if named and len(set(value)) == len(value) else "a list of different names"


# What is lacking of each value, or nothing where it is right.
_RULES: dict[str, Any] = {
    "kind": _one_of(*get_args(Kind)),
    "name": _text,
    "batch_norm": lambda value: "" if isinstance(value, bool) else "true or false",
    "classes": _class_names,
    "image_size": _size,
    "noise": lambda value: "" if isinstance(value, str) and len(value) <= 1000 else "a short text",
    "guidance": _one_of(*get_args(GuidanceSource)),
    "injection": _one_of(*get_args(GuidanceInjection)),
}


def _shown(value: Any) -> str:
    """The start of a value that may be of any length."""
    text = repr(value[:20] if isinstance(value, str | list) else value)
    return text if len(text) <= 40 else f"{text[:40]}…"
