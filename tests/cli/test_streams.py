"""Standard streams that are closed, full, of another encoding, or shared with a progress bar."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console as RichConsole

from denoise_cli.cli.console import Console
from denoise_cli.errors import UsageError
from tests.conftest import TERMINAL, Weights, run_here, write_images

NAME = "山 é 😀"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    console = Console()
    console.json({"name": NAME})
    console.write(NAME + "\n")
    console.show(NAME)
    lines = raw.getvalue().decode(encoding).splitlines()
    assert json.loads(lines[0]) == {"name": NAME}
    assert len(lines) == 3
    assert (NAME in lines[0]) == (encoding == "utf-8")


def test_json_goes_to_standard_output_beside_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (False, True):
        out, err = (RichConsole(file=io.StringIO(), force_terminal=t) for t in (terminal, True))
        console = Console()
        console.out, console.err = out, err
        with console.progress("Denoising", 2) as advance:
            assert sys.stdout is not out.file
            console.json({"a": 1})
            advance(1)
            console.json({"a": 2})
        assert isinstance(out.file, io.StringIO) and isinstance(err.file, io.StringIO)
        assert out.file.getvalue() == '{"a": 1}\n{"a": 2}\n'
        assert "Denoising" in err.file.getvalue()
        assert '"a"' not in err.file.getvalue()
        # On one screen, the bar's line is cleared before each result.
        assert (err.file.getvalue().count("\x1b[?25h") == 3) == terminal


def test_closed_standard_output_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    console = Console()
    with pytest.raises(UsageError, match="output is closed"):
        console.check_output()
    console.show("nothing is there to print on")


def test_a_full_standard_error_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w")  # noqa: PTH123, SIM115 (a device, whose closing fails)
    monkeypatch.setattr(sys, "stderr", full)
    Console().note("said")
    with suppress(OSError):
        full.close()


def test_a_full_standard_output_fails_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OSError, match="No space left"):
            Console().json({"a": 1})
    # Closing, as at the end of the program, has written the rest to nowhere.


def test_libraries_are_not_heard_and_we_are(capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import os, sys, logging, warnings\n"
        "from denoise_cli.cli.console import Console\n"
        "from denoise_cli.cli.streams import without_library_messages\n"
        "from denoise_cli.errors import ModelWarning\n"
        "console = Console()\n"
        "with console.noting_warnings(), without_library_messages():\n"
        "    os.write(2, b'GLib-WARNING')\n"
        "    logging.getLogger('PIL').error('More samples per pixel than can be decoded')\n"
        "    warnings.warn('DecompressionBombWarning')\n"
        "    warnings.warn('left out', ModelWarning)\n"
        "    console.note('ours')\n"
        "    print('ours too', file=sys.stderr)\n"
        "os.write(2, b'after')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr().err.split("\n") == ["Warning: left out", "ours", "ours too", "after"]


def test_closed_streams_never_give_their_number_to_a_result(weights: Weights, tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    program = f"{sys.executable} -m denoise_cli denoise-image 000.png --weights {weights('cae', True)}"
    done = subprocess.run(
        ["bash", "-c", f"exec {program} --json <&- 2>&-"],
        cwd=tmp_path,
        env={**os.environ, **TERMINAL},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "done"
    with Image.open(tmp_path / "000.denoised.png") as image:
        image.load()


def test_standard_input_does_not_replace_the_reference(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    picture = next(tmp_path.glob("*.png"))
    before = picture.read_bytes()
    done = run_here(
        tmp_path,
        *("denoise-image", "-", "-o", picture.name, "--reference", picture.name, "--overwrite"),
        stdin=before,
    )
    assert done.returncode == 2
    assert f"The result would replace the reference {picture.name}." in done.stderr
    assert picture.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_has_gone_ends_results_but_no_training(image_folder: Path, tmp_path: Path) -> None:
    """The exit code of results is a shell's for SIGPIPE; messages are missed, and the run is whole."""
    train = ("train", "cae", "--dataset", image_folder, "--epochs", "1", "--batch-size", "8", "-o", "run")
    for arguments, stream, code in ((("models",), "stdout", 141), (train, "stderr", 0)):
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "denoise_cli", *map(str, arguments)]
        out, err = (write if name == stream else subprocess.DEVNULL for name in ("stdout", "stderr"))
        done = subprocess.run(command, cwd=tmp_path, check=False, stdout=out, stderr=err)
        os.close(write)
        assert done.returncode == code
    assert (tmp_path / "run/best.safetensors").is_file()
