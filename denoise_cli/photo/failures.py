"""Any error of a photo as its failure: one sentence of its own, whatever went wrong."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pyvips

from denoise_cli.errors import DenoiseError, DiskFull, ImageError
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.files.paths import Item, exists_already

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TEMPORARY = r"\.denoise-[0-9a-f]{8}\.part(\.\w+)?"


def as_failure(error: Exception, item: Item) -> DenoiseError:
    """The failure of a photo for an error that came up while it was denoised."""
    failure = _failure(error, item)
    if failure is not error:
        failure.__cause__ = error
    return failure


def may_be_anothers(error: BaseException | None) -> bool:
    """Whether a failure, or its message, may come from a photo that was denoised at the same time.

    libvips keeps one text of errors for all threads, and all share the memory.
    """
    while error is not None:
        if isinstance(error, pyvips.Error | UnicodeDecodeError | MemoryError) or _is_out_of_memory(error):
            return True
        error = error.__cause__
    return False


def forget_messages() -> None:
    """Clear libvips's text of errors, so that the next message is the next photo's alone."""
    pyvips.vips_lib.vips_error_clear()


def _failure(error: Exception, item: Item) -> DenoiseError:
    result = show(item.output)
    if _is_full(error):
        return DiskFull(
            f"The disk is full: {result} cannot be written.",
            "Free some space, then give the command again with --skip-existing.",
        )
    if isinstance(error, FileExistsError):
        return exists_already(item.output)
    text, hint = (str(error), error.hint) if isinstance(error, DenoiseError) else _sentence(error, item)
    folder = re.escape(f"{item.output.parent}{os.sep}")
    text = re.sub(f"({folder})?{_TEMPORARY}", lambda _: result, _without_codec(text, error))
    if not isinstance(error, DenoiseError):
        return ImageError(text, hint)
    error.args = (text,)
    return error


def _without_codec(text: str, error: BaseException | None) -> str:
    """The text with what a library said that is not UTF-8, on which pyvips fails, in place of that."""
    while error is not None:
        if isinstance(error, UnicodeDecodeError):
            forget_messages()  # pyvips has not come to it.
            said = bytes(error.object).decode("utf-8", "backslashreplace")
            return text.replace(str(error), _one_line(said))
        error = error.__cause__
    return text


def _sentence(error: Exception, item: Item) -> tuple[str, str]:
    """What went wrong, and what to do."""
    name, hint = show(item.source), ""
    match error:
        case OSError() if error.strerror:
            named = isinstance(error.filename, str | bytes)
            where = f" ({show(Path(os.fsdecode(error.filename)))})" if named else ""
            text = f"{error.strerror}{where}."
            hint = "Check the path, its permissions and the free space."
        case MemoryError():
            text, hint = f"There is not enough memory for {name}.", "Close other programs, then try again."
        case UnicodeDecodeError():
            text = f"{name} cannot be denoised ({error})."
        case _ if _is_out_of_memory(error):
            text, hint = "The device is out of memory.", "Use a smaller --tile, or --device cpu."
        case _:
            text = f"{name} cannot be denoised ({_one_line(f'{type(error).__name__}: {error}')})."
    return text, hint


def _is_full(error: BaseException | None) -> bool:
    """Whether the disk, or the user's share of it, is full; libvips says so in its message only."""
    said = tuple(os.strerror(number) for number in _FULL)
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if isinstance(error, DenoiseError | pyvips.Error) and any(text in str(error) for text in said):
            return True
        error = error.__cause__
    return False


def _is_out_of_memory(error: BaseException) -> bool:
    """PyTorch's error, which is not imported for its name alone."""
    return type(error).__name__ == "OutOfMemoryError"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
