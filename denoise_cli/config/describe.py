"""Describe the values of config fields, for help texts and error messages."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
_METAVARS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}


def parts_of(annotation: Any) -> list[Any]:
    """The types that an annotation such as `tuple[int, ...] | None` is made of, without None."""
    if get_origin(annotation) in {Union, types.UnionType, tuple}:
        return [part for inner in get_args(annotation) for part in parts_of(inner)]
    return [] if annotation in {types.NoneType, ...} else [annotation]


def choices_of(annotation: Any) -> list[Any]:
    """The values that the `Literal`s in an annotation list."""
    return [value for part in parts_of(annotation) if get_origin(part) is Literal for value in get_args(part)]


def range_of(field: FieldInfo) -> str:
    """The bounds of a number, such as `0 to 1` or `above 0`; empty where there are none."""
    bounds = {
        name: getattr(each, name)
        for each in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(each, name, None) is not None
    }
    low = f"{bounds['ge']:g}" if "ge" in bounds else f"above {bounds['gt']:g}" if "gt" in bounds else ""
    high = f"{bounds['le']:g}" if "le" in bounds else f"below {bounds['lt']:g}" if "lt" in bounds else ""
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if "ge" in bounds else low or high


def default_of(field: FieldInfo) -> str:
    """The default as a user types it; empty where it is nothing, off or a section of its own."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "" if any(isinstance(each, bool) for each in value) else ",".join(map(str, value))
    return str(value) if isinstance(value, int | str) else ""


def help_of(field: FieldInfo) -> str:
    """The field's description with its range and default, where it does not tell them itself."""
    text = " ".join((field.description or "").split())
    before, told, after = text.rpartition("(default")
    facts = [range_of(field)]
    if not told:
        default = default_of(field)
        facts.append(f"default: {default}" if default else "")
    extra = "; ".join(filter(None, facts))
    if not extra:
        return text
    if told:
        return f"{before}({extra}; default{after}"
    return f"{text.removesuffix('.')} ({extra})."


def requirement(field: FieldInfo) -> str:
    """The requirement on a value: `a whole number above 0`, `png, jpeg or tiff`, `true or false`."""
    choices = [str(value) for value in choices_of(field.annotation)]
    kinds = [_KINDS[part] for part in parts_of(field.annotation) if part in _KINDS]
    bounds = range_of(field)
    if bounds and kinds:
        kinds[-1] += f" {bounds}" if bounds.startswith(("above", "below")) else f", {bounds}"
    words = [*choices, *kinds] or ["a section of keys and values"]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def metavar_of(field: FieldInfo) -> str:
    """The name of the value in help texts."""
    parts = parts_of(field.annotation)
    return next((_METAVARS[part] for part in parts if part in _METAVARS), "TEXT")
