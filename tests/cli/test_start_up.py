"""`--help` and `--version` answer without loading anything heavy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import Command

HEAVY = ("torch", "torchvision", "skimage", "scipy", "numpy", "PIL", "matplotlib", "onnxruntime", "pyvips")
COMMANDS = ("train", "test", "classify", "compare", "denoise-image", "export", "models", "runs")


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    program = (
        "import sys\n"
        "from denoise_cli.__main__ import main\n"
        f"sys.argv = ['denoise', *{args!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code in (0, None)\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_version_is_the_installed_one(denoise_process: Command) -> None:
    assert denoise_process("--version").stdout.strip() == f"denoise {version('denoise-cli')}"


def test_help_names_every_command(denoise_process: Command) -> None:
    text = denoise_process("--help").stdout
    for command in COMMANDS:
        assert command in text


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m denoise_cli models --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"0", "141"}
    assert done.stderr == ""


def test_ctrl_c_while_loading_is_silent() -> None:
    program = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from denoise_cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


@pytest.mark.parametrize(("processes", "code"), [(1, -signal.SIGABRT), (2, 2)])
def test_a_launched_process_does_not_end_the_interpreter(processes: int, code: int) -> None:
    """Gloo's threads abort it now and then; here, what is left behind does."""
    program = (
        "import atexit, os, sys\n"
        "from denoise_cli.__main__ import main\n"
        "class Left:\n"
        "    def __del__(self, abort=os.abort):\n"
        "        abort()\n"
        "left = Left()\n"
        "atexit.register(print, 'exit handlers ran')\n"
        "sys.argv = ['denoise', 'models', '--nonsense']\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "WORLD_SIZE": str(processes)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "--nonsense" in done.stderr
    if processes > 1:
        assert done.stdout == "exit handlers ran\n"
