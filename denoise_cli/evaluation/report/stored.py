"""Read results that were written as JSON, by this program or by anyone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from denoise_cli.errors import DataError

RESULTS_FILE = "results.json"
"""A comparison in the folder that it wrote."""
# No score, time or cost that is measured comes near; charts cannot be drawn of much more.
_LARGEST = 1e12


def read_json(path: Path, hint: str) -> Any:
    """The value in a JSON file.

    Args:
        hint: How such a file is made.

    Raises:
        DataError: Missing, not JSON, or with numbers that no result has.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.", hint)
    try:
        value = json.loads(path.read_bytes())
        wrong = next((each for each in _numbers(value) if not abs(each) <= _LARGEST), None)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON.", hint) from error
    if wrong is not None:
        raise DataError(f"{path} holds a number that no result can be, {wrong:g}.", hint)
    return value


def _numbers(value: Any) -> Iterator[float]:
    """All numbers with a decimal point in a JSON value, and those that are not finite."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, float):
            yield inner if not math.isnan(inner) else math.inf
        elif isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner
