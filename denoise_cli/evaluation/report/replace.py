"""Results are never replaced unasked, except by the command that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denoise_cli.errors import OutputExists


def check_replaceable(file: Path, request: Mapping[str, Any], overwrite: bool) -> None:
    """Refuse to replace results that another request made.

    Args:
        file: Where results are about to be written; JSON names the request that made it.
        request: What is asked for now.
        overwrite: Whether anything may be replaced.

    Raises:
        OutputExists: They are there, and `request` is not what made them.
    """
    if overwrite or not file.exists() or stored_request(file) == json.loads(json.dumps(request)):
        return
    # Of other formats nobody can tell what made them.
    state = "holds results of another command" if file.suffix == ".json" else "exists already"
    raise OutputExists(f"{file} {state}.", "Add --overwrite to replace it, or name another --output.")


def stored_request(file: Path) -> Any:
    """The request in a file of results; None where there is none."""
    if not file.is_file():
        return None
    try:
        stored = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return stored.get("request") if isinstance(stored, dict) else None
