"""Write ONNX models without the `onnx` package.

ONNX files are protocol buffers, and the few message types that a network needs fit on a page.
Writing them here keeps 37 MB of packages (`onnx`, `protobuf`, `ml_dtypes`) and their import time
out of the program. Field numbers are those of the `onnx.proto` schema, IR version 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 8
OPSET = 18
# Versions of the operator set in which all operators that networks use have the same form.
OPSETS = range(15, 24)
INT64 = 7
_FLOAT, _FLOAT16 = 1, 10
_DATA_TYPES = {
    np.dtype(np.float32): _FLOAT,
    np.dtype(np.int64): INT64,
    np.dtype(np.float16): _FLOAT16,
    np.dtype(np.uint8): 2,
    np.dtype(np.int8): 3,
    np.dtype(np.int32): 6,
}
_VARINT, _FIXED32, _BYTES = 0, 5, 2

Attribute = int | float | str | Sequence[int]
Shape = Sequence[int | str]


class Graph:
    """A network under construction: operators are added in the order of computation.

    Args:
        half: Store weights as float16. They are cast when the file is loaded: the network computes in
            float32 wherever it runs.
    """

    def __init__(self, *, half: bool = False) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._half = half

    def input(self, name: str, shape: Shape) -> str:
        """Declare a float input; a string in the shape names a free dimension."""
        self._parts.append(_message(11, _value_info(name, shape)))
        return name

    def output(self, value: str, name: str, shape: Shape) -> None:
        """Declare that `value` is the float output called `name`."""
        self._parts.append(_message(1, _node("Identity", [value], [name], {})))
        self._parts.append(_message(12, _value_info(name, shape)))

    def constant(self, array: NDArray[Any]) -> str:
        """Add weights or other constants, of a type in `_DATA_TYPES`; returns their name."""
        name = self._name("c")
        tensor = b"".join(_varint_field(1, size) for size in array.shape)
        tensor += _varint_field(2, _DATA_TYPES[array.dtype]) + _text(8, name)
        tensor += _message(9, np.ascontiguousarray(array).tobytes())
        self._parts.append(_message(5, tensor))
        return name

    def weight(self, array: NDArray[np.float32]) -> str:
        """Add weights, in the precision in which the file stores them; returns their name."""
        if not self._half:
            return self.constant(array)
        return self.add("Cast", self.constant(array.astype(np.float16)), to=_FLOAT)

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add an operator of the standard set; returns the name of its output."""
        name = self._name("v")
        self._parts.append(_message(1, _node(operator, inputs, [name], attributes)))
        return name

    def serialize(self, version: str = "", opset: int = OPSET) -> bytes:
        """The model as the bytes of an `.onnx` file.

        Args:
            version: Of the program, for the field of who has made the file.
            opset: Version of the operator set, of `OPSETS`.
        """
        graph = b"".join(self._parts) + _text(2, "denoise")
        model = _varint_field(1, IR_VERSION) + _text(2, "denoise")
        model += _text(3, version) if version else b""
        return model + _message(8, _varint_field(2, opset)) + _message(7, graph)

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def metadata_entry(key: str, value: str) -> bytes:
    """A pair of texts, to be put behind the bytes of a model."""
    return _message(14, _text(1, key) + _text(2, value))


def _node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute]
) -> bytes:
    node = b"".join(_text(1, name) for name in inputs) + b"".join(_text(2, name) for name in outputs)
    node += _text(4, operator)
    return node + b"".join(_message(5, _attribute(*item)) for item in attributes.items())


def _attribute(name: str, value: Attribute) -> bytes:
    head = _text(1, name)
    if isinstance(value, int):
        return head + _varint_field(3, value) + _varint_field(20, 2)
    if isinstance(value, float):
        return head + _tag(2, _FIXED32) + np.float32(value).tobytes() + _varint_field(20, 1)
    if isinstance(value, str):
        return head + _text(4, value) + _varint_field(20, 3)
    return head + b"".join(_varint_field(8, item) for item in value) + _varint_field(20, 7)


def _value_info(name: str, shape: Shape) -> bytes:
    dimensions = (_text(2, size) if isinstance(size, str) else _varint_field(1, size) for size in shape)
    tensor = _varint_field(1, _FLOAT) + _message(2, b"".join(_message(1, d) for d in dimensions))
    return _text(1, name) + _message(2, _message(1, tensor))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, data: bytes) -> bytes:
    return _tag(field, _BYTES) + _varint(len(data)) + data


def _varint_field(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + _varint(value)


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Base 128, least significant group first; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
