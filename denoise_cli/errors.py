"""The exception tree. `cli.console` turns each into a message, a hint and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from shlex import quote


class DenoiseError(Exception):
    """An error that the user can fix.

    Attributes:
        hint: What to do next, usually a command to type; may be empty.
        exit_code: 1 when the work failed, 2 when the request was wrong.
        asked_for: Whether the user asked for this end, so that nothing is wrong.
    """

    exit_code = 1
    asked_for = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def counted(count: int, noun: str) -> str:
    """A number and its noun, whose plural takes an s: `1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def left_out(count: int) -> str:
    """That files were left out: `1 file was left out`, `2 files were left out`."""
    return f"{counted(count, 'file')} {'was' if count == 1 else 'were'} left out"


def quoted(path: Path) -> str:
    """The path as a hint's command needs it."""
    return quote(str(path))


class UsageError(DenoiseError):
    """The request itself is wrong: an unknown name, a bad option, a bad config key."""

    exit_code = 2


class UnknownName(UsageError):
    """An unknown name; the message suggests the nearest one and lists all."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown {what} {name!r}.{guess}", f"Known: {', '.join(known)}.")


class ConfigError(UsageError):
    """A run config that cannot be read or does not fit."""


class DataError(DenoiseError):
    """Images that are missing, unreadable or not what the task needs."""


class ImageError(DataError):
    """One picture file that cannot be read or written."""


class WeightsError(DenoiseError):
    """A weight file that is missing, unsafe, or for another model."""


class ModelError(DenoiseError):
    """An architecture that cannot be built, such as a broken one of another package."""


class ModelWarning(UserWarning):
    """An architecture of another package, or a run among many, that is left out."""


class OutputExists(DenoiseError):
    """The output is there already and may not be overwritten."""


class DiskFull(DenoiseError):
    """There is no space for results; trying the next one would be in vain."""


class TrainingError(DenoiseError):
    """Training cannot continue: the loss is not finite, or the disk is full."""
