"""Architectures of other packages, by the entry-point group `denoise_cli.models`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from denoise_cli.errors import ModelWarning
from denoise_cli.models.info import ModelInfo

GROUP = "denoise_cli.models"


def find_plugins(own: Iterable[ModelInfo]) -> tuple[ModelInfo, ...]:
    """The entries of all installed packages, by name; each entry point names a `ModelInfo`.

    One that cannot be loaded, or whose name another architecture of its kind has already, is left
    out with a `ModelWarning`.
    """
    taken = {(info.kind, info.name) for info in own}
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            info = point.load()
        except Exception as error:  # another package may fail in any way
            _warn(point, f"cannot be loaded: {error}")
            continue
        if not isinstance(info, ModelInfo):
            _warn(point, f"cannot be loaded: {point.value} is not a ModelInfo")
        elif (info.kind, info.name) in taken:
            _warn(point, f"is left out: there is a {info.kind} {info.name} already")
        else:
            taken.add((info.kind, info.name))
            found.append(info)
    return tuple(found)


def _warn(point: EntryPoint, what: str) -> None:
    package = f" of the package {point.dist.name}" if point.dist is not None else ""
    warnings.warn(f"The model {point.name!r}{package} {what}.", ModelWarning, stacklevel=2)
