"""End as Ctrl-C does, whatever asks for it: cleaned up, once, and soon."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from denoise_cli.cli.console import console
from denoise_cli.files import remove_unfinished

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
# Seconds in which further signals say the same again; putting things in order takes less.
_PATIENCE = 8.0


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt a command, where it would end the process at once, as between commands."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def ending_on_signals(is_at_work: Callable[[], bool]) -> Iterator[None]:
    """Let SIGTERM, which cluster engines send, and SIGHUP end the program as Ctrl-C does.

    Exit codes are 130, 143 and 129. Signals that were ignored before, as `nohup` does, stay so.

    Args:
        is_at_work: Whether a thread is left that does not end; the program does not wait for it.
    """
    ending = _Ending()
    before = {
        number: signal.signal(number, ending)
        for number in _NUMBERS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except BaseException as error:
        if ending.number:
            for number in before:
                signal.signal(number, signal.SIG_IGN)
            before.clear()
            remove_unfinished()
            if is_at_work():
                _interrupt(ending.number)
            if isinstance(error, Exception):
                # A library that was interrupted said so in its own way, as imports of extensions do.
                raise ending.exception() from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Ending:
    """A signal handler that raises once."""

    def __init__(self) -> None:
        self.number = 0
        self._last = -_PATIENCE

    def __call__(self, number: int, _frame: object) -> None:
        if time.monotonic() - self._last < _PATIENCE:
            return
        self.number, self._last = number, time.monotonic()
        raise self.exception()

    def exception(self) -> BaseException:
        """What ends the program as the signal asks."""
        return KeyboardInterrupt() if self.number == signal.SIGINT else SystemExit(128 + self.number)


def leave_if_launched(ending: SystemExit) -> None:
    """End a process of `torchrun` here, its exit handlers done.

    What `DistributedDataParallel` leaves behind keeps Gloo's threads alive after its group was
    destroyed; now and then one asks for the interpreter while that ends, which aborts the process.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1" and isinstance(ending.code, int):
        atexit._run_exitfuncs()
        _leave(ending.code)


def _interrupt(number: int) -> None:
    """End this process at once; the interpreter would wait for a thread, or crash below it."""
    if number == signal.SIGINT:
        console.note("Interrupted.")
    _leave(128 + number)


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
