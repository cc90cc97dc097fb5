"""The base class of stored results, and what made them."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Made(Record):
    """What made a result; empty in files of earlier versions."""

    command: str = ""
    """The command line."""
    date: str = ""
    """UTC, as ISO 8601."""


def made_now() -> dict[str, str]:
    """The fields of `Made`, for this process at this moment."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"command": command, "date": datetime.now(UTC).isoformat(timespec="seconds")}


def used_versions() -> dict[str, str]:
    """Versions of what scores depend on, by package name, and of Python."""
    packages = {name: version(name) for name in ("denoise-cli", "torch", "numpy")}
    return packages | {"python": platform.python_version()}
