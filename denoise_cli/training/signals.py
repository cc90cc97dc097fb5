"""Ctrl-C and the signals of schedulers and closed terminals end a run after its step, saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from denoise_cli.errors import DenoiseError, quoted

# SIGUSR1 is what Slurm sends before a job's time is up; Windows has neither it nor SIGHUP.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)


class Interrupted(DenoiseError):
    """A signal came; the step was finished and the state saved. Exits 130, 143, or 128 + its number."""

    asked_for = True

    def __init__(self, signum: int, run: Path, command: str) -> None:
        super().__init__(
            f"Stopped and saved in {run}.", f"Continue with: denoise {command} --resume {quoted(run)}"
        )
        self.exit_code = 128 + signum


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Collect signals instead of exiting; a second one of a kind exits at once.

    One that is ignored, as SIGHUP is under `nohup`, stays ignored.
    """
    received: list[int] = []

    def handle(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)
        signal.signal(signum, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {
        number: signal.signal(number, handle)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
