"""Memory available for images."""

from __future__ import annotations

import os
from pathlib import Path

# Assumed when the system does not report it.
_GUESS = 4 * 2**30
_MEMINFO = Path("/proc/meminfo")
# The control group (version 2) that a container runs in.
_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that can be allocated without swapping, as the system reports them."""
    left = _linux_available()
    if left is None:
        left = _half_of_physical()
    free = _container_available()
    return left if free is None else min(left, free)


def _linux_available() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
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
    """Bytes left below the container's limit; None without a limit.

    Inactive cached files count as free, as in the working set of Kubernetes.
    """
    try:
        limit = (_GROUP / "memory.max").read_text().strip()
        if not limit.isdigit():
            return None
        used = int((_GROUP / "memory.current").read_text())
        fields = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    return max(0, int(limit) - used + int(fields.get("inactive_file", 0)))
