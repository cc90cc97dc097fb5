"""Shares of a batch for several computers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from denoise_cli.errors import UsageError

# Index, count, and where the indices do not run from 0 by 1: their start and step.
_VARIABLES = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT", "", ""),
    ("RANK", "WORLD_SIZE", "", ""),
)


def parse_shard(text: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """Index (from 0) and number of shards: from `I/N`, else from the cluster engine, else (0, 1).

    Raises:
        UsageError: Not of the form I/N with I below N, or the engine's numbers have gaps.
    """
    if text is None:
        for names in _VARIABLES:
            index, count, first, step = (_number(environment.get(name, "")) for name in names)
            if index is not None and count is not None:
                return _shard_of_array(index, count, first or 0, step or 1)
        return 0, 1
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(
            f"The shard {text!r} is not of the form I/N with I from 0 to N-1.", "For example --shard 0/8."
        )
    return int(match[1]), int(match[2])


def _shard_of_array(index: int, count: int, first: int, step: int) -> tuple[int, int]:
    place, rest = divmod(index - first, step)
    if rest or not 0 <= place < count:
        raise UsageError(
            f"The cluster's task {index} is not one of {count} evenly numbered ones, so its share of the "
            "photos is not known.",
            "Number the tasks without gaps (--array=0-7), or say --shard I/N.",
        )
    return place, count


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None
