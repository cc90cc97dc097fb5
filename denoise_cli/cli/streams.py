"""Standard input, output and error, as a shell or a service hands them over."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from denoise_cli.errors import ModelWarning


def open_missing_streams() -> None:
    """Open the standard streams that are closed, on nothing.

    Else the next file, such as a result, would get the number of standard error, and with it all that
    libraries say.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It takes the lowest number that is free.


@contextmanager
def without_library_messages() -> Iterator[None]:
    """Keep off the screen what libraries say of files: to standard error, to the log, as warnings.

    What matters of it is in the errors that they raise. Our own messages still come through.
    """
    nothing = logging.NullHandler()
    logging.getLogger().addHandler(nothing)
    try:
        with warnings.catch_warnings(), _own_standard_error():
            shown = warnings.showwarning

            def show(message: Warning | str, category: type[Warning], *rest: object) -> None:
                if issubclass(category, ModelWarning):
                    shown(message, category, *rest)  # type: ignore[arg-type]

            warnings.showwarning = show  # type: ignore[assignment]
            yield
    finally:
        logging.getLogger().removeHandler(nothing)


@contextmanager
def _own_standard_error() -> Iterator[None]:
    """Lead number 2, to which libraries in C write, to nothing; `sys.stderr` gets a number of its own."""
    stream = sys.stderr
    own = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    if _is_number_2(stream):
        stream.flush()
        # Closed by hand: to close it with the stream would take the number from what is put back.
        raw = io.FileIO(own, "w", closefd=False)
        sys.stderr = io.TextIOWrapper(raw, stream.encoding, stream.errors, write_through=True)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(own, 2)
        sys.stderr = stream
        os.close(own)


def _is_number_2(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == 2
    except (OSError, ValueError):  # It is no file.
        return False
