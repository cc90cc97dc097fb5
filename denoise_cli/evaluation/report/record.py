"""The base class of stored results, and the versions that they name."""

from __future__ import annotations

import platform
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def used_versions() -> dict[str, str]:
    """Versions of what scores depend on, by package name, and of Python."""
    packages = {name: version(name) for name in ("denoise-cli", "torch", "numpy")}
    return packages | {"python": platform.python_version()}
