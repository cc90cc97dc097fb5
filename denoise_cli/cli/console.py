"""The one place that prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires
from shlex import quote
from typing import IO, Any, Literal, TextIO

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from denoise_cli.errors import DenoiseError, ModelWarning, UsageError
from denoise_cli.files import nan_to_none
from denoise_cli.text import duration, printable

_PLAIN_SECONDS = 10.0
# How long the speed of training is measured, and how much must be left to be worth a line.
_MEASURE_SECONDS = 5.0
_WORTH_TELLING = 20.0
# Names of packages whose modules are called otherwise.
_TITLES = {"torch": "PyTorch", "skimage": "scikit-image", "PIL": "Pillow", "pywt": "PyWavelets"}


class Plain(RichConsole):
    """Shows every string as it is: no markup or emoji in it, and nothing that steers the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        """Say so to who prints; rich would end the program, and as one that failed."""
        raise BrokenPipeError

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


class Console:
    """Tables, JSON, notes, progress and errors."""

    def __init__(self) -> None:
        self.out: RichConsole = Plain()
        self.err: RichConsole = Plain(stderr=True)
        self._bar: Progress | None = None

    def show(self, content: RenderableType) -> None:
        """Print a result, such as a table or a line of text, on stdout."""
        with self._printing():
            self.out.print(content, soft_wrap=isinstance(content, str))

    def json(self, value: Any) -> None:
        """Print a result as one line of JSON on stdout; numbers that are not finite become null."""
        with self._printing() as file:
            unicode = (getattr(file, "encoding", None) or "utf-8").lower().startswith("utf")
            file.write(printable(json.dumps(nan_to_none(value), ensure_ascii=not unicode) + "\n"))

    def write(self, text: str) -> None:
        """Print a finished document on stdout; JSON stays the same JSON."""
        with self._printing() as file:
            file.write(printable(text))

    def check_output(self) -> None:
        """Refuse to begin work whose results could not be printed; or `UsageError`."""
        if sys.stdout is None:
            raise UsageError("Standard output is closed, so the results cannot be printed.")

    def note(self, text: str) -> None:
        """Print a message on stderr; where that is gone or full, the work goes on without it."""
        self._say(text)

    def _say(self, content: RenderableType) -> None:
        try:
            self.err.print(content, soft_wrap=True)
        except OSError:
            _lead_to_nothing(self.err.file)

    @contextmanager
    def _printing(self) -> Iterator[IO[str]]:
        """Standard output, taking any character; a progress bar on the same screen stands aside."""
        file = self.out.file
        if isinstance(file, io.TextIOWrapper) and file.errors == "strict":
            file.reconfigure(errors="backslashreplace")
        bar = self._bar if self._bar is not None and self.out.is_terminal else None
        if bar is not None:
            bar.stop()
        try:
            yield file
            file.flush()
        except OSError:
            # The rest in the buffer must not fail once more at the end of the program.
            _lead_to_nothing(file)
            raise
        finally:
            if bar is not None:
                bar.start()

    @contextmanager
    def noting_warnings(self) -> Iterator[None]:
        """Print each `ModelWarning` as one line; Python shows other warnings as usual."""
        with warnings.catch_warnings():
            others = warnings.showwarning

            def show(
                message: Warning | str,
                category: type[Warning],
                filename: str,
                lineno: int,
                file: TextIO | None = None,
                line: str | None = None,
            ) -> None:
                if issubclass(category, ModelWarning):
                    self.note(f"Warning: {message}")
                else:
                    others(message, category, filename, lineno, file, line)

            warnings.showwarning = show
            yield

    def error(self, message: str, hint: str = "") -> None:
        """One sentence on what is wrong, and what to do next."""
        self._say(Text.assemble(("Error:", "bold red"), " ", printable(message)))
        if hint:
            self._say(hint)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """A bar with time left on a terminal, or a line every few seconds elsewhere."""
        if not self.err.is_terminal:
            yield _PlainAdvance(self, title, total)
            return
        # Redirected, results would go to stderr, where the bar is.
        bar = Progress(
            *_columns(), console=self.err, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        with bar:
            self._bar = bar
            task = bar.add_task(printable(title), total=total, extra="")
            try:
                yield _BarAdvance(bar, task)
            finally:
                self._bar = None


class Advance:
    """Moves a progress display on."""

    def __call__(self, count: float, extra: str = "") -> None:
        """`count` more are done; `extra` is shown behind the bar."""


class _BarAdvance(Advance):
    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task = bar, task

    def __call__(self, count: float, extra: str = "") -> None:
        fields: dict[str, Any] = {"extra": printable(extra)} if extra else {}
        self._bar.update(self._task, advance=count, **fields)


class _PlainAdvance(Advance):
    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console, self._title, self._total = console, title, total
        self._done, self._last = 0.0, time.monotonic()

    def __call__(self, count: float, extra: str = "") -> None:
        self._done += count
        if time.monotonic() - self._last >= _PLAIN_SECONDS:
            self._last = time.monotonic()
            self._console.note(f"{self._title}: {self._done:.0f}/{self._total} {extra}".rstrip())


class TrainingDisplay:
    """Shows a training run; implements `training.trainer.Reporter`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._advance = Advance()
        self._stack: Any = None
        self._step = self._epoch_steps = self._total = 0
        # Step and time when the first ones, which also warm the machine up, are done.
        self._begun: tuple[int, float] | None = None
        self._told = False

    def start(self, title: str, about: Sequence[str], total: int, done: int, steps_per_epoch: int) -> None:
        """Training begins at step `done` of `total`."""
        self._console.note(f"Run folder: {title}")
        for line in about:
            self._console.note(line)
        self._stack = self._console.progress("Training", total)
        self._advance = self._stack.__enter__()
        self._step, self._epoch_steps, self._total = 0, steps_per_epoch, total
        self._begun, self._told = None, False
        self._move_to(done, "")

    def step(self, step: int, loss: float, images_per_second: float) -> None:
        """Called about once a second."""
        epoch = step / self._epoch_steps
        self._move_to(step, f"epoch {epoch:.1f}  loss {loss:.5f}  {images_per_second:.0f} images/s")
        self._tell_duration(step)

    def validation(self, step: int, scores: Mapping[str, float], best: bool) -> None:
        """Called after each validation."""
        values = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        epoch = step / self._epoch_steps
        self._console.note(f"epoch {epoch:5.1f}  step {step}  {values}{'  (best)' if best else ''}")

    def note(self, text: str) -> None:
        """A message to the user."""
        self._console.note(text)

    def close(self) -> None:
        """Remove the bar."""
        if self._stack is not None:
            self._stack.__exit__(None, None, None)
            self._stack = None

    def _tell_duration(self, step: int) -> None:
        """Say once how long training will take, by the speed of its own first steps."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = step, now
        first, start = self._begun
        if self._told or now - start < _MEASURE_SECONDS:
            return
        self._told = True
        left = (self._total - step) * (now - start) / (step - first)
        if left > _WORTH_TELLING:
            self._console.note(f"Expected: about {duration(left)} of training.")

    def _move_to(self, step: int, extra: str) -> None:
        self._advance(step - self._step, extra)
        self._step = step


def make_table(title: str, *columns: str) -> Table:
    """A table whose first column is text and the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        # What does not fit is broken, never cut off.
        justify: Literal["left", "right"] = "left" if number == 0 else "right"
        table.add_column(column, justify=justify, no_wrap=number == 0, overflow="fold")
    return table


def exit_code_of(error: BaseException, console: Console) -> int | None:
    """Report an error that a user can understand and return the exit code; None for a bug."""
    if isinstance(error, DenoiseError) and error.asked_for:
        console.note(str(error))
        console.note(error.hint)
        return error.exit_code
    if isinstance(error, DenoiseError):
        console.error(str(error), error.hint)
        return error.exit_code
    # An extension module that was interrupted while it was imported says ImportError.
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        console.note("Interrupted.")
        return 130
    if isinstance(error, BrokenPipeError):
        # The reader (`head`) is done; flushing the rest of the buffer at exit must not fail.
        for stream in (sys.stdout, sys.stderr):
            _lead_to_nothing(stream)
        return 128 + 13
    found = _trouble_around(error)
    if found is None:
        return None
    console.error(*found)
    return 1


def _lead_to_nothing(stream: IO[str] | None) -> None:
    """Let what is still to be written to a stream that fails go nowhere."""
    try:
        number = None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return
    if number is not None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)


def _trouble_around(error: BaseException) -> tuple[str, str] | None:
    """Message and hint for what the machine lacks: a package, disk space, a permission, memory."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("denoise_cli"):
        package = error.name.partition(".")[0]
        packages = " ".join(_lacking()) or package
        return (
            f"This needs {_TITLES.get(package, package)}, which is not installed.",
            f"Install all that the program can use: pip install {packages}",
        )
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}.", "Check the path, its permissions and the free space."
    # Torch has no type of its own for the memory of a CPU.
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return (
            "There is not enough memory.",
            "Close other programs, or ask for less at a time (--batch-size, --tile).",
        )
    if type(error).__name__ == "OutOfMemoryError":
        return "The device is out of memory.", "Lower --batch-size, or use --device cpu."
    return None


def _lacking() -> list[str]:
    """Requirements of the program that this environment lacks, quoted for a shell."""
    try:
        required = requires("denoise-cli") or []
    except PackageNotFoundError:
        return []
    found = []
    for requirement in required:
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra ==" in requirement:
            continue
        try:
            distribution(name[0])
        except PackageNotFoundError:
            found.append(quote(requirement))
    return found


def _columns() -> tuple[Any, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[extra]}", markup=False),
    )


console = Console()
