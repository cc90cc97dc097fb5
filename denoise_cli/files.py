"""Write files whole or not at all; checksums; numbers that JSON can hold."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from denoise_cli.errors import UsageError

if sys.platform != "win32":
    import fcntl

_PREFIX = ".denoise-"
# Precise, so that no file of the user's is ever taken for one of ours.
_UNFINISHED = re.compile(r"\.denoise-[0-9a-f]{8}\.part(\.[^.]*)?", re.DOTALL)
_LONGEST_SUFFIX = 8
_BINARY = getattr(os, "O_BINARY", 0)


class _AtWork:
    """The unfinished files of this process."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()
        self.ended = False
        # Held while a file is created, so that none escapes `remove_unfinished`.
        self.lock = RLock()


_at_work = _AtWork()


@contextmanager
def atomic_write_path(path: Path, *, replace: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; give it that name only if the block succeeds.

    The file is synced to the disk first, so that a crash leaves the old file or the new one. Where
    `path` is a link to a file, the link is replaced, and what it led to stays.

    Args:
        replace: Whether a file of that name may be replaced. If not, the file system itself refuses
            when the name is given, also to a file that has appeared since the work began.
        mode: Permission bits of a new file (default: as the umask leaves them); a file that is
            replaced keeps its own.

    Raises:
        FileExistsError: `path` is there and may not be replaced.
        OSError: It cannot be written, or is a folder, a device, a pipe, a socket or a link to nowhere.
    """
    if why := why_no_file(path):
        raise OSError(errno.EINVAL, f"This {why}", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, file = _create(path, 0o666 if mode is None else 0o600)
    try:
        with file:
            yield temporary
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # Open files cannot be renamed there; elsewhere the lock is held until it is.
            if replace and path.exists():
                mode = stat.S_IMODE(path.stat().st_mode)
            if mode is not None:
                with suppress(OSError):  # The file system has no modes.
                    temporary.chmod(mode)
            _give_name(temporary, path, replace)
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        _at_work.paths.discard(temporary)


def write_atomic(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write `data` to `path`, whole or not at all; see `atomic_write_path`."""
    with atomic_write_path(path, replace=replace) as temporary:
        temporary.write_bytes(data)


def permissions(path: Path) -> int | None:
    """Permission bits of a file, for `atomic_write_path`; None for what is no plain file."""
    try:
        found = path.stat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(found) & 0o777 if stat.S_ISREG(found) else None


def sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path) -> None:
    """Create `folder` and check that it is writable, so that a long job fails early.

    Raises:
        UsageError: A file is in its place.
        OSError: It cannot be made or written.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file, and a folder is needed.", "Name another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def nan_to_none(value: Any) -> Any:
    """The value with every float that is not finite replaced by None, because JSON has no such numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: nan_to_none(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(inner) for inner in value]
    return value


def is_unfinished(name: str) -> bool:
    """Whether a file's name is one that `atomic_write_path` gives to what it has not finished."""
    return _UNFINISHED.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left in `folder` or below."""
    for path in folder.rglob(f"{_PREFIX}*"):
        remove_abandoned(path)


def leftovers_in(folder: Path) -> Iterator[Path]:
    """The temporary files in `folder` itself, those at work too."""
    return (path for path in folder.glob(f"{_PREFIX}*") if is_unfinished(path.name))


def remove_abandoned(path: Path) -> None:
    """Delete a temporary file of ours unless the process that writes it is alive."""
    try:
        if not is_unfinished(path.name) or not stat.S_ISREG(path.lstat().st_mode):
            return
        if sys.platform == "win32":
            path.unlink()  # Open files are not deleted there.
            return
        with path.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # It is being written, or is already gone.
        return


def remove_unfinished() -> None:
    """Delete what this process has not finished, and let it begin nothing more: it is about to end."""
    with _at_work.lock:
        _at_work.ended = True
        for path in tuple(_at_work.paths):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def why_no_file(path: Path) -> str:
    """Why a path cannot become a result, such as `is a folder`; empty where it can."""
    if _is_stream(path):
        return "is a stream of a process"
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return "is a link that leads nowhere" if path.is_symlink() else ""
    if stat.S_ISDIR(kind):
        return "is a folder"
    return "" if stat.S_ISREG(kind) else "is a device, a pipe or a socket"


def _is_stream(path: Path) -> bool:
    """Whether it is one of the names of open files, such as `/dev/stdout`, whatever that file is."""
    for _ in range(40):  # As many links as the system follows.
        if os.path.realpath(path.parent).startswith("/proc/"):
            return True
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return False


def _create(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """A new temporary file beside `path`, marked as in use."""
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    while True:
        temporary = path.with_name(f"{_PREFIX}{secrets.token_hex(4)}.part{suffix}")
        with _at_work.lock:
            if _at_work.ended:
                raise OSError(errno.ECANCELED, "The program is ending", str(path))
            _at_work.paths.add(temporary)
            try:
                handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, mode)
            except BaseException:
                _at_work.paths.discard(temporary)
                raise
        file = os.fdopen(handle, "r+b")
        if _is_ours(file, temporary):
            return temporary, file
        file.close()
        _at_work.paths.discard(temporary)


def _is_ours(file: BinaryIO, path: Path) -> bool:
    """Lock a new file; False where another process took it for abandoned in that moment."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # The file system has no locks.
        return True
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _give_name(temporary: Path, path: Path, replace: bool) -> None:
    """Rename a finished file; unless `replace`, `FileExistsError` where the name is taken."""
    if replace:
        temporary.replace(path)
    elif sys.platform == "win32":
        temporary.rename(path)  # It refuses to replace.
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        except OSError:  # The file system has no hard links.
            _claim_and_replace(temporary, path)


def _claim_and_replace(temporary: Path, path: Path) -> None:
    """Take the name with an empty file, which only one process can, and replace that."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        temporary.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
