"""Memory that is free for images."""

from __future__ import annotations

import os
from pathlib import Path

# Where the system does not say.
_GUESS = 4 * 2**30
_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that can be taken without pushing other programs out, as far as the system says."""
    left = _linux_available()
    if left is None:
        left = _half_of_physical()
    in_container = _container_available()
    return left if in_container is None else min(left, in_container)


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


def _container_available() -> int | None:
    """Bytes below the limit of the control group (version 2) that a container runs in.

    Cached files count as used, but give way to new pages: they are added back.
    """
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        statistics = (_CGROUP / "memory.stat").read_text()
    except (OSError, ValueError):
        return None
    if not limit.isdigit():  # "max": no limit
        return None
    cached = dict(line.split(maxsplit=1) for line in statistics.splitlines()).get("inactive_file", "0")
    return max(0, int(limit) - used + int(cached))
