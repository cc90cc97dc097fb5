"""Denoise many photos: one is read or written while another is computed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event

from denoise_cli.errors import DenoiseError
from denoise_cli.photo.denoise_file import Result, Settings, denoise_file
from denoise_cli.photo.files.paths import Item
from denoise_cli.photo.runtimes.load import PhotoDenoiser

# One photo computes (see `PhotoDenoiser.lock`) while another is read or written.
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one photo: a result, an error, or neither if it was skipped."""

    item: Item
    result: Result | None = None
    error: DenoiseError | OSError | None = None


class _StoppedError(Exception):
    """The batch was interrupted."""


def denoise_batch(
    items: Sequence[Item], denoiser: PhotoDenoiser, settings: Settings, on_share: Callable[[float], None]
) -> Generator[Outcome, None, None]:
    """Denoise all photos and yield each one's outcome; a bad photo does not stop the others.

    Closing the iterator early stops after the windows at work and leaves no partial file.
    """
    stopped = Event()

    def advance(share: float) -> None:
        if stopped.is_set():
            raise _StoppedError
        on_share(share)

    def work(item: Item) -> Outcome:
        try:
            return Outcome(item, denoise_file(item.source, item.output, denoiser, settings, advance))
        except (DenoiseError, OSError) as error:
            return Outcome(item, error=error)

    waiting = iter(items)
    running: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            while True:
                for item in waiting:
                    running.add(pool.submit(work, item))
                    if len(running) == _AT_ONCE:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            stopped.set()
