"""The tensors of a weight file for numpy, checked; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import WeightsError
from denoise_cli.weights.header import read_header

Array = NDArray[Any]
# Numbers as safetensors calls them; bfloat16 is the upper half of a float32.
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}


def read_tensors(path: Path) -> dict[str, Array]:
    """All tensors of a weight file: floats as float32, whole numbers as they are stored.

    Raises:
        WeightsError: As `read_header`, and where a tensor has a type that is not read, or a value
            that no network can compute with.
    """
    read_header(path)  # It is whole, and ours.
    tensors = {}
    for name, kind, shape, data in _stored(path):
        if kind not in _TYPES:
            raise WeightsError(
                f"The tensor {name} of {path} has numbers of type {kind}, which are not read.",
                "Convert it to float16, bfloat16 or float32.",
            )
        value = np.frombuffer(data, _TYPES[kind]).reshape(shape)
        if kind == "BF16":
            value = (value.astype(np.uint32) << 16).view(np.float32)
        if value.dtype.kind == "f":
            with np.errstate(over="ignore"):
                value = value.astype(np.float32, copy=False)
            _check_values(path, name, value)
        tensors[name] = value
    return tensors


def _stored(path: Path) -> Iterator[tuple[str, str, list[int], bytearray]]:
    """Name, type, shape and bytes of each tensor of a file whose header is right."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries: Mapping[str, Any] = json.loads(file.read(length))
        for name, entry in entries.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            data = bytearray(end - begin)
            file.readinto(data)
            yield name, entry["dtype"], entry["shape"], data


def _check_values(path: Path, name: str, value: Array) -> None:
    """Refuse numbers from which only black or white pictures can come."""
    wrong = ""
    if not np.isfinite(value).all():
        wrong = "numbers that are not finite"
    elif name.endswith("running_var") and (value < 0).any():
        wrong = "a variance below 0"
    if wrong:
        raise WeightsError(
            f"The tensor {name} of {path} has {wrong}: its training failed, or the file is damaged.",
            "Take other weights; `denoise models` lists what there is.",
        )
