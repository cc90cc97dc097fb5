"""Write files whole or not at all; checksums; numbers that JSON can hold."""

from __future__ import annotations

import hashlib
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

PREFIX = ".denoise-"


@contextmanager
def atomic_write_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place only if the block succeeds.

    The file is synced to the disk first, so that a crash leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "r+b") as file:
            with suppress(OSError):  # The file system has no locks.
                _lock(file.fileno())
            yield temporary
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_write_path(path) as temporary:
        temporary.write_bytes(data)


def sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path) -> None:
    """Create `folder` and check that it is writable, so that a long job fails early."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def finite(value: Any) -> Any:
    """The value with every float that is not finite replaced by None, because JSON has no such numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed process left in `folder` or below."""
    for path in folder.rglob(f"{PREFIX}*"):
        remove_abandoned(path)


def remove_abandoned(path: Path) -> None:
    """Delete a temporary file unless the process that writes it is alive."""
    try:
        with path.open("rb") as file:
            _lock(file.fileno())
        path.unlink(missing_ok=True)
    except OSError:  # It is being written, or is already gone.
        return


def _lock(handle: int) -> None:
    """Mark an open file as in use until it is closed; `OSError` where another process did so.

    Windows does not delete open files in any case.
    """
    if sys.platform != "win32":
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
