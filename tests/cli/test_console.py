"""What the console makes of trouble, and its progress on a terminal."""

from __future__ import annotations

import errno
import io

import pytest
import torch
from rich.console import Console as RichConsole

from denoise_cli.cli.console import Console, exit_code_of


@pytest.fixture
def console() -> Console:
    """One whose messages can be read, on a terminal."""
    made = Console()
    made.err = RichConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    return made


def told(console: Console) -> str:
    assert isinstance(console.err.file, io.StringIO)
    return console.err.file.getvalue()


def test_out_of_memory_is_one_sentence_and_code_1(console: Console) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    assert exit_code_of(error, console) == 1
    assert "The device is out of memory." in told(console)
    assert "--batch-size" in told(console) and "--device cpu" in told(console)


def test_other_errors(console: Console) -> None:
    assert exit_code_of(KeyboardInterrupt(), console) == 130
    assert exit_code_of(OSError(errno.ENOSPC, "No space left on device", "runs/a"), console) == 1
    assert "No space left on device (runs/a)." in told(console)
    assert exit_code_of(MemoryError(), console) == 1
    assert "There is not enough memory." in told(console)
    # A bug is left to the interpreter, whose traceback says where it is.
    for bug in (RuntimeError("shapes differ"), KeyError("x"), OSError("without a reason")):
        assert exit_code_of(bug, console) is None


def test_progress_on_a_terminal_counts_and_goes_away(console: Console) -> None:
    with console.progress("Scoring", 4) as advance:
        for _ in range(3):
            advance(1, "cae")
        assert console.err.is_terminal
    text = told(console)
    assert "Scoring" in text and "3/4" in text and "cae" in text
    assert text.rstrip().endswith("\x1b[2K"), "the line is cleared"


def test_progress_elsewhere_is_silent_when_it_is_quick(console: Console) -> None:
    console.err = RichConsole(file=io.StringIO())
    with console.progress("Scoring", 2) as advance:
        advance(2)
    assert told(console) == ""
