"""Ctrl-C and SIGTERM end a run after its step, saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from denoise_cli.errors import DenoiseError, quoted


class Interrupted(DenoiseError):
    """A signal came; the step was finished and the state saved. Exits 130 or 143."""

    def __init__(self, signum: int, run: Path, command: str) -> None:
        super().__init__(
            f"Stopped and saved in {run}.", f"Continue with: denoise {command} --resume {quoted(run)}"
        )
        self.exit_code = 128 + signum


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of exiting; a second signal exits at once."""
    received: list[int] = []

    def handle(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)
        signal.signal(signum, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
