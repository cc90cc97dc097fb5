"""Values as people write them, turned into those that configs hold."""

from __future__ import annotations

import os
import re
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from denoise_cli.config.describe import choices_of, parts_of
from denoise_cli.data.names import canonical_dataset
from denoise_cli.errors import UnknownName
from denoise_cli.noise.spec import canonical_noise

_SYNONYMS = {
    **dict.fromkeys(("jpg", "jpe", "jfif"), "jpeg"),
    "tif": "tiff",
    "heif": "heic",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "float32": "fp32",
    "pytorch": "torch",
    "onnxruntime": "onnx",
    # What YAML makes of a plain on and off.
    "true": "on",
    "false": "off",
}
_DEVICE = re.compile(r"(cuda|gpu):?(\d+)")


def canonical_value(name: str, field: FieldInfo, value: Any) -> Any:
    """A field's value in the spelling that its config knows; what is not recognised stays as it is."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, list | tuple):
        return [canonical_value(name, field, each) for each in value]
    if name in {"noise", "validate_noise"} and isinstance(value, int | float) and not isinstance(value, bool):
        return canonical_noise(f"gaussian:{value}")
    if name == "device" and isinstance(value, str):
        return canonical_device(value)
    if name == "dataset" and isinstance(value, str):
        return canonical_dataset(value)
    kinds = parts_of(field.annotation)
    if isinstance(value, bool) and bool not in kinds and {int, float} & set(kinds):
        raise PydanticCustomError("number_type", "is no number")  # pydantic would take true for 1
    choices = choices_of(field.annotation)
    if not choices or not isinstance(value, str | bool):
        return value
    text = str(value).strip().lower().removeprefix(".")
    by_name = {str(choice).lower(): choice for choice in choices}
    return by_name.get(text, by_name.get(_SYNONYMS.get(text, text), value))


def canonical_device(value: str) -> str:
    """A device's name; raises `UnknownName` for any that is none.

    They are auto, cpu, gpu, cuda, cuda:N and mps, and those of ONNX Runtime alone.
    """
    text = value.strip().lower()
    if text in {"auto", "cpu", "gpu", "cuda", "mps", "directml", "coreml", "openvino"}:
        return text
    match = _DEVICE.fullmatch(text)
    if match is None:
        raise UnknownName("device", value, ["auto", "cpu", "gpu", "cuda", "cuda:0", "mps"])
    return f"cuda:{int(match[2])}"
