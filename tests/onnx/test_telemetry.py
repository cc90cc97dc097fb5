"""Nothing is sent, and nothing is left behind for sending."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import denoise_cli

PACKAGE = Path(denoise_cli.__file__).parent
EXAMPLE = Path(__file__).parents[2] / "examples" / "noisy.png"
CLI = "from denoise_cli.__main__ import main; main()"
PYTHON = (
    "import numpy as np; from denoise_cli import denoise; denoise(np.zeros((32, 32, 3), np.uint8), 'cae')"
)


def run(folder: Path, program: str, *args: str, prefix: tuple[str, ...] = ()) -> str:
    """Run a program whose home, cache and temporary folders are empty; returns what it wrote to stderr."""
    places = {name: folder / name.lower() for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")}
    for place in places.values():
        place.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [*prefix, sys.executable, "-B", "-c", program, *args],
        cwd=folder,
        env={**environment, **{name: str(place) for name, place in places.items()}},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    left = [path for place in places.values() for path in place.rglob("*") if path.is_file()]
    assert left == []
    return done.stderr


@pytest.mark.parametrize(
    ("program", "args"),
    [(CLI, ("denoise-image", str(EXAMPLE), "--model", "cae", "-o", "clean.png")), (PYTHON, ())],
    ids=["command line", "Python"],
)
def test_no_file_is_left(tmp_path: Path, program: str, args: tuple[str, ...]) -> None:
    run(tmp_path, program, *args)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_host_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    trace = ("strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o", str(log))
    run(tmp_path, CLI, "denoise-image", str(EXAMPLE), "--model", "cae", "-o", "clean.png", prefix=trace)
    assert [line for line in log.read_text().splitlines() if re.search(r"AF_INET6?\b", line)] == []


def test_onnx_runtime_is_imported_in_one_place() -> None:
    files = [*PACKAGE.rglob("*.py"), *Path(__file__).parents[1].rglob("*.py")]
    importing = {
        path.name for path in files if re.search(r"^(import|from) onnxruntime", path.read_text(), re.M)
    }
    assert importing == {"runtime.py"}
