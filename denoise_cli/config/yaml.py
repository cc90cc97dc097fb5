"""YAML as configs use it: plain values, each key once, and no file that costs more than it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from denoise_cli.errors import ConfigError

# A config that names the classes of a large data set has some hundred kilobytes.
_LONGEST = 2**20
_MOST_VALUES = 100_000
_MOST_BITS = 512


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, and leaves dates as the text they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012, as the class above declares it
        letter: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _TwiceError(name, key.start_mark.line + 1)
            seen.add(name)
        return super().construct_mapping(node, deep)


class _TwiceError(Exception):
    """A key is given twice in one section."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"gives the key {key[:100]!r} twice (line {line})")


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        ConfigError: It cannot be read, or is anything else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _LONGEST:
        raise ConfigError(f"{path} is larger than any config.")
    values = parse_yaml(data, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(values).__name__}.")
    return values


def parse_yaml(text: str | bytes, where: str) -> Any:
    """The value of a YAML text; raises `ConfigError`, which calls the text `where`."""
    try:
        value = yaml.load(text.decode("utf-8") if isinstance(text, bytes) else text, _Loader)
    except _TwiceError as error:
        raise ConfigError(f"{where} {error}.", "Keep one of them.") from error
    except RecursionError as error:
        raise ConfigError(f"{where} is nested too deeply to be a config.") from error
    except Exception as error:  # a tag that does not fit its value fails in any way
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise ConfigError(f"{where} is not valid YAML{line}.") from error
    _check_size(value, where)
    return value


def _check_size(value: Any, where: str) -> None:
    """Refuse what references blow up, since each place where a value stands counts, and giant numbers."""
    waiting, count = [value], 0
    while waiting:
        inner = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise ConfigError(f"{where} holds more values than any config.")
        if isinstance(inner, int) and inner.bit_length() > _MOST_BITS:
            raise ConfigError(f"{where} holds a number of too many digits.")
        if isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list | tuple | set):
            waiting += inner
