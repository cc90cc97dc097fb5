"""Signals end the program once, with the right code, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from denoise_cli import files
from denoise_cli.cli.console import Console, exit_code_of
from denoise_cli.cli.signals import ending_on_signals, interruptible
from denoise_cli.files import atomic_write_path
from tests.conftest import TERMINAL

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what a process that ends leaves behind."""
    monkeypatch.setattr(files, "_at_work", files._AtWork())
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def idle() -> bool:
    return False


@pytest.mark.parametrize(
    ("number", "stop", "code"),
    [
        (signal.SIGINT, KeyboardInterrupt, None),
        (signal.SIGTERM, SystemExit, 143),
        (signal.SIGHUP, SystemExit, 129),
    ],
)
def test_each_signal_ends_the_work_and_later_ones_change_nothing(
    number: int, stop: type[BaseException], code: int | None, tmp_path: Path
) -> None:
    cleaned = []

    def work() -> None:
        try:
            with atomic_write_path(tmp_path / "a.png"):
                os.kill(os.getpid(), number)
                time.sleep(10)
        finally:
            for again in NUMBERS:
                os.kill(os.getpid(), again)
                time.sleep(0.001)
            cleaned.append(list(tmp_path.iterdir()))

    with pytest.raises(stop) as caught, ending_on_signals(idle):
        work()
    for again in NUMBERS:
        os.kill(os.getpid(), again)  # The program is ending, so this is ignored.
    assert getattr(caught.value, "code", None) == code
    assert cleaned == [[]]


@pytest.mark.parametrize(
    ("number", "stop"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_a_library_that_makes_an_error_of_it_changes_nothing(number: int, stop: type[BaseException]) -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except BaseException as error:
            raise ImportError("initialization failed") from error

    with pytest.raises(stop), ending_on_signals(idle):
        work()


def test_an_import_that_was_interrupted_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    assert exit_code_of(error, Console()) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_file_that_nobody_would_delete_is_deleted(tmp_path: Path) -> None:
    """As one that a decoder which hangs was to become."""
    writing = atomic_write_path(tmp_path / "a.png")

    def work() -> None:
        writing.__enter__()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt), ending_on_signals(idle):
        work()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        writing.__exit__(None, None, None)


def test_signals_that_are_ignored_stay_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup
    before = [signal.getsignal(number) for number in NUMBERS]
    with ending_on_signals(idle):
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_ctrl_c_interrupts_commands_and_ends_the_process_between_them() -> None:
    for outside, inside in (
        (signal.SIG_DFL, signal.default_int_handler),
        (signal.SIG_IGN, signal.SIG_IGN),
        (signal.default_int_handler, signal.default_int_handler),
    ):
        signal.signal(signal.SIGINT, outside)
        with interruptible():
            assert signal.getsignal(signal.SIGINT) is inside
        assert signal.getsignal(signal.SIGINT) is outside


def test_ctrl_c_thrice_while_a_decoder_hangs(tmp_path: Path) -> None:
    """Reading a pipe waits in the system until someone writes to it."""
    os.mkfifo(tmp_path / "a.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "denoise_cli", "denoise-image", "a.png", "-o", "b.png", "--device", "cpu"],
        cwd=tmp_path,
        env={**os.environ, **TERMINAL},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    pipe = None
    while pipe is None:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
        with suppress(OSError):  # Nobody reads yet.
            pipe = os.open(tmp_path / "a.png", os.O_WRONLY | os.O_NONBLOCK)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, said = process.communicate(timeout=30)
    os.close(pipe)
    # The last one may meet the interpreter at its own end; a shell says 130 of both.
    assert process.returncode in {130, -signal.SIGINT}
    assert said == "Interrupted.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
