"""Denoise many photos: one is read or written while another is computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from denoise_cli.errors import DenoiseError, DiskFull, OutputExists
from denoise_cli.photo.denoise_file import DenoiseResult, Settings, denoise_file
from denoise_cli.photo.failures import as_failure, forget_messages, may_be_anothers
from denoise_cli.photo.files.paths import Item, comparison_path
from denoise_cli.photo.files.read import Photo
from denoise_cli.photo.runtimes.load import PhotoDenoiser

# One photo computes (see `PhotoDenoiser.lock`) while another is read or written.
_AT_ONCE = 2
# Seconds that photos at work are waited for when a batch is stopped; a decoder may never return.
_GRACE = 3.0
_THREAD = "denoise-photo"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What is made of each result.

    Attributes:
        reference: A clean picture to score the photo and its result against.
        side_by_side: Whether a comparison is written.
        skip_existing: Leave out a photo whose result has come to be since the batch was planned.
    """

    reference: Path | None = None
    side_by_side: bool = False
    skip_existing: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one photo: a result, an error, or neither if it was skipped.

    Attributes:
        error: Also set beside a result whose scores or comparison could not be made.
        scores: PSNR and SSIM of the photo and its result, where there is a reference.
        comparison: The comparison that was written.
    """

    item: Item
    result: DenoiseResult | None = None
    error: DenoiseError | None = None
    scores: dict[str, float] | None = None
    comparison: Path | None = None


class _StoppedError(Exception):
    """The batch was interrupted."""


def denoise_batch(
    items: Sequence[Item],
    denoiser: PhotoDenoiser,
    settings: Settings,
    options: BatchOptions = BatchOptions(),
    on_share: Callable[[float], None] = lambda share: None,
) -> Generator[Outcome, None, None]:
    """Denoise all photos and yield each one's outcome; a bad photo does not stop the others.

    A full disk does: it is the last outcome then, and photos that were not reached have none.
    Closing the iterator early stops after the windows at work and leaves no partial file; a photo
    whose decoder hangs is left behind after some seconds (see `is_at_work`).

    Args:
        on_share: Called with the share of a photo finished since the last call.
    """
    batch = _Batch(denoiser, settings, options, on_share)
    again: list[Item] = []
    try:
        for outcome in batch.run(items, min(_AT_ONCE, len(items))):
            if len(items) > 1 and may_be_anothers(outcome.error) and outcome.result is None:
                again.append(outcome.item)
                continue
            yield outcome
            if isinstance(outcome.error, DiskFull):
                return
        # Alone, so that what is said of a photo is its own.
        forget_messages()
        for outcome in batch.run(again, 1):
            yield outcome
            if isinstance(outcome.error, DiskFull):
                return
    finally:
        batch.stop()


def is_at_work() -> bool:
    """Whether a photo of a stopped batch is still at work in this process, because its decoder hangs."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


class _Batch:
    """The threads of a batch, and what they do with each photo."""

    def __init__(
        self,
        denoiser: PhotoDenoiser,
        settings: Settings,
        options: BatchOptions,
        on_share: Callable[[float], None],
    ) -> None:
        self._denoiser, self._settings, self._options = denoiser, settings, options
        self._on_share = on_share
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, items: Sequence[Item], at_once: int) -> Iterator[Outcome]:
        """Denoise the photos, that many at once, and yield what became of them as they are done."""
        waiting, turn = iter(items), threading.Lock()
        done: SimpleQueue[Outcome | None] = SimpleQueue()

        def work() -> None:
            try:
                while not self._stopped.is_set():
                    with turn:
                        item = next(waiting, None)
                    if item is None:
                        return
                    done.put(self._outcome(item))
            except _StoppedError:
                return
            finally:
                done.put(None)

        # Not a pool of the library, whose threads the interpreter waits for even if they hang.
        threads = [threading.Thread(target=work, name=_THREAD, daemon=True) for _ in range(at_once)]
        self._threads += threads
        for thread in threads:
            thread.start()
        while threads:
            try:
                outcome = done.get(timeout=1)  # Without a limit, Windows would not see Ctrl-C.
            except Empty:
                continue
            if outcome is not None:
                yield outcome
            else:
                threads.pop()

    def stop(self) -> None:
        """Stop the threads, and wait for a few seconds until they have put things in order."""
        self._stopped.set()
        latest = time.monotonic() + _GRACE
        for thread in self._threads:
            if thread.is_alive():  # Ctrl-C may come before it is started.
                thread.join(max(0.0, latest - time.monotonic()))

    def _outcome(self, item: Item) -> Outcome:
        skip = self._options.skip_existing
        source = item.source if item.data is None else item.data
        try:
            if skip and item.output.exists():
                return Outcome(item)
            result = denoise_file(
                source, item.output, self._denoiser, self._settings, self._advance, self._check
            )
        except _StoppedError:
            raise
        except Exception as error:
            failure = as_failure(error, item)
            skipped = skip and isinstance(failure, OutputExists)
            return Outcome(item) if skipped else Outcome(item, error=failure)
        outcome = Outcome(item, result)
        try:
            # A pipe has been read, and holds nothing more.
            return self._compared(outcome, result.photo.source)
        except Exception as error:
            return replace(outcome, error=as_failure(error, item))

    def _check(self, photo: Photo) -> None:
        """Refuse a photo that the reference does not fit, before any work is done."""
        if self._options.reference is not None:
            from denoise_cli.photo.reference import check_reference

            check_reference(self._options.reference, photo)

    def _compared(self, outcome: Outcome, source: Path | bytes) -> Outcome:
        """The outcome with the scores and the comparison that are asked for."""
        from denoise_cli.photo.reference import score_against
        from denoise_cli.photo.side_by_side import write_side_by_side

        output = outcome.item.output
        scores = None
        if self._options.reference is not None:
            scores = score_against(self._options.reference, source, output)
            outcome = replace(outcome, scores=scores)
        if self._options.side_by_side:
            path = comparison_path(output)
            write_side_by_side(
                source,
                output,
                path,
                reference=self._options.reference,
                scores=scores,
                overwrite=self._settings.overwrite,
            )
            outcome = replace(outcome, comparison=path)
        return outcome

    def _advance(self, share: float) -> None:
        if self._stopped.is_set():
            raise _StoppedError
        self._on_share(share)
