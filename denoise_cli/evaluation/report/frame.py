"""Results as pandas tables, where pandas is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from denoise_cli.errors import UsageError

if TYPE_CHECKING:
    from pandas import DataFrame


def as_frame(columns: Mapping[str, Sequence[Any]]) -> DataFrame:
    """A table of named columns; raises `UsageError` without pandas."""
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise UsageError(
            "Tables need pandas, which is not installed.", "Install it: pip install pandas"
        ) from error
    return DataFrame(dict(columns))
