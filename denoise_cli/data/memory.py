"""How much memory is left for images."""

from __future__ import annotations

import os
from pathlib import Path

# Where the system does not say.
_GUESS = 4 * 2**30


def available_memory() -> int:
    """Bytes that can be taken without pushing other programs out, as far as the system says."""
    left = _linux_available()
    if left is None:
        left = _half_of_physical()
    limit = _container_limit()
    return left if limit is None else min(left, limit)


def _linux_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _half_of_physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf.
        return _GUESS


def _container_limit() -> int | None:
    """The limit of the control group (version 2) that a container runs in."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
