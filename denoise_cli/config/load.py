"""Read a config from a YAML file, `--set` assignments and flags."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from denoise_cli.config.base import UNUSABLE, Section
from denoise_cli.config.describe import choices_of, requirement
from denoise_cli.config.yaml import parse_yaml, read_yaml
from denoise_cli.errors import ConfigError

C = TypeVar("C", bound=Section)
_LINE = "the command line"
# Characters of a wrong value that a message repeats.
_LONGEST = 100
# Options that are not called as their key.
_FLAGS = {"train_seeds": "--seeds", "batch_norm": "--batchnorm", "out": "--output"}

# In the wheel the configs lie inside the package; in a checkout, beside it.
_FOLDERS = (Path(__file__).parents[1] / "configs", Path(__file__).parents[2] / "configs")


def load_config(kind: type[C], file: str | None, assignments: Sequence[str], flags: Mapping[str, Any]) -> C:
    """Merge all sources into one config of class `kind`.

    Args:
        kind: The command's config class.
        file: Path of a YAML file or name of a shipped config, or None.
        assignments: `key.sub=value` strings of `--set`.
        flags: Values by dotted key; None means that the flag was not given.

    Raises:
        ConfigError: Names the key, where it stands and the nearest right key.
    """
    path = None if file is None else find_config(file)
    values = {} if path is None else read_yaml(path)
    where = str(path) if path is not None else "the config"
    origin: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"--set {text!r} is not of the form key=value.", "For example --set optim.lr=0.001."
            )
        _assign(values, key.strip(), parse_yaml(value, f"The value of --set {text[:100]!r}"))
        origin[key.strip()] = "--set"
    for key, value in flags.items():
        if value is not None:
            if value == "":
                raise ConfigError(f"{_flag(key)} is empty.", "Is a variable of the shell not set?")
            _assign(values, key, value)
            origin[key] = _LINE
    _drop_overruled(values, flags)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # A key that is missing may be one that is misspelt.
        found = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        raise _explain(kind, found[0], where, origin) from error


def find_config(name: str) -> Path:
    """The file of a path, or of a shipped config's name such as `weights/unet`."""
    path = Path(name)
    if path.is_file():
        return path
    for folder in _FOLDERS:
        for candidate in (folder / name, folder / f"{name}.yaml"):
            if candidate.is_file():
                return candidate
    near = get_close_matches(name, shipped_configs(), n=3, cutoff=0.4)
    hint = (
        f"Shipped configs near it: {', '.join(near)}."
        if near
        else f"Shipped: {', '.join(shipped_configs())}."
    )
    raise ConfigError(f"There is no config {name!r}.", hint)


def shipped_configs() -> list[str]:
    """Names of all configs that come with the program."""
    for folder in _FOLDERS:
        if folder.is_dir():
            return sorted(
                path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")
            )
    return []


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    """Set `values["a"]["b"]` for the key `a.b`."""
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if inner is None:  # A section's name with nothing behind it.
            inner = values[parent] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{parent} must be a section of keys and values, not {_shown(inner)}.")
        values = inner
    values[last] = value


def _drop_overruled(values: dict[str, Any], flags: Mapping[str, Any]) -> None:
    """`--epochs` overrules `steps` from the file, and the other way round; `--dataset` a mixture."""
    if flags.get("data.dataset") is not None:
        values["data"].pop("mix", None)
    for given, other in (("epochs", "steps"), ("steps", "epochs")):
        if flags.get(given) is not None and flags.get(other) is None:
            values.pop(other, None)


def _explain(kind: type[Section], detail: ErrorDetails, where: str, origin: Mapping[str, str]) -> ConfigError:
    parts = [str(part) for part in detail["loc"]]
    key = ".".join(parts)
    source = next((by for name, by in origin.items() if key == name or key.startswith(name + ".")), where)
    if detail["type"] == "extra_forbidden":
        known = _keys_at(kind, parts[:-1])
        near = get_close_matches(parts[-1], known, n=1, cutoff=0.5)
        everywhere = [name for name in _all_keys(kind) if name.rpartition(".")[2] == parts[-1]]
        guess = ".".join([*parts[:-1], near[0]]) if near else everywhere[0] if everywhere else None
        hint = f"Did you mean {guess}?" if guess else f"Known keys here: {', '.join(known)}."
        return ConfigError(f"Unknown key {key!r} in {source}.", hint)
    if detail["type"] == "missing":
        return ConfigError(f"{key} is missing.", f"Give it on the command line, or as `{key}:` in a config.")
    found = _field_at(kind, parts)
    if found is None:
        return ConfigError(f"{source} must hold keys and values.")
    key, field = found
    who = _flag(key) if source == _LINE else f"{key} in {source}"
    near = get_close_matches(
        str(detail["input"]).lower(), [str(each) for each in choices_of(field.annotation)]
    )
    if detail["type"] == UNUSABLE:
        return ConfigError(f"{who} {detail['msg']}: {_shown(detail['input'])}.")
    a_list = "a list, each " if detail["type"] in {"tuple_type", "list_type"} else ""
    return ConfigError(
        f"{who} must be {a_list}{requirement(field)}, not {_shown(detail['input'])}.",
        f"Did you mean {near[0]!r}?" if near else "",
    )


def _flag(key: str) -> str:
    """How a key is written on the command line."""
    return _FLAGS.get(key, f"--{key.rpartition('.')[2].replace('_', '-')}")


def _shown(value: Any) -> str:
    """The value as it was given, or its start."""
    text = repr(str(value) if isinstance(value, Path) else value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _field_at(kind: type[Section], parts: Sequence[str]) -> tuple[str, FieldInfo] | None:
    """The key and the declaration of what an error is about; inside a tuple or union, those of its field."""
    found = None
    for number, part in enumerate(parts, 1):
        if part in kind.model_fields:
            field = kind.model_fields[part]
            found = ".".join(parts[:number]), field
            kind = _section_of(field.annotation) or kind
    return found


def _keys_at(kind: type[Section], parents: Sequence[str]) -> list[str]:
    for parent in parents:
        field = kind.model_fields.get(parent)
        # An index into a list of sections, such as mix.0, stays in the section.
        kind = (field and _section_of(field.annotation)) or kind
    return list(kind.model_fields)


def _all_keys(kind: type[Section], prefix: str = "") -> list[str]:
    keys = []
    for name, field in kind.model_fields.items():
        keys.append(prefix + name)
        section = _section_of(field.annotation)
        if section is not None:
            keys += _all_keys(section, f"{prefix}{name}.")
    return keys


def _section_of(annotation: Any) -> type[Section] | None:
    """The config class inside an annotation such as `tuple[MixItem, ...]`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, tuple}:
        return next((found for arg in get_args(annotation) if (found := _section_of(arg))), None)
    return None
