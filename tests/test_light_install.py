"""What works without PyTorch (requirements/photos.txt), and what the rest says."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from denoise_cli.errors import UsageError
from denoise_cli.photo.runtimes.load import _wants_torch, load_photo_denoiser

ROOT = Path(__file__).parents[1]
ABSENT = ("torch", "torchvision", "skimage", "scipy", "matplotlib", "pywt")
# Makes the modules that the light install lacks impossible to import.
BLOCK = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None
from denoise_cli.__main__ import main
main()
"""


def run(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK, *map(str, args)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_light_requirements_are_those_of_the_program() -> None:
    lines = (ROOT / "requirements" / "photos.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    required = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    assert listed <= required
    assert {line.split(">")[0] for line in required - listed} == {
        "matplotlib",
        "pywavelets",
        "scikit-image",
        "scipy",
        "torch",
        "torchvision",
    }


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("models",),
        ("models", "--json"),
        ("runs",),
        ("denoise-image", ROOT / "examples" / "noisy.png", "--model", "cae", "-o", "clean.png"),
        (
            "denoise-image",
            ROOT / "examples" / "noisy.png",
            "--model",
            "cae",
            "-o",
            "clean.jpg",
            "--side-by-side",
        ),
        ("export", "cae", "-o", "cae.onnx"),
    ],
    ids=lambda args: " ".join(map(str, args[:2])),
)
def test_what_photos_need_works(tmp_path: Path, args: tuple[str | Path, ...]) -> None:
    done = run(tmp_path, *args)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("test", "cae"),
        ("train", "cae", "--dataset", "sample"),
        ("classify", "--image", ROOT / "examples" / "noisy.png"),
        ("compare",),
        ("denoise-image", ROOT / "examples" / "noisy.png", "--runtime", "torch", "-o", "clean.png"),
    ],
    ids=lambda args: str(args[0]),
)
def test_what_needs_torch_says_how_to_get_it(tmp_path: Path, args: tuple[str | Path, ...]) -> None:
    done = run(tmp_path, *args)
    assert done.returncode == 1
    assert "PyTorch, which is not installed" in done.stderr and "pip install" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("there", ["/dev/dxg", "/dev/nvidiactl"])
def test_a_driver_without_torch_is_no_gpu(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WSL2 has the one on every machine."""
    own = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == there or own(path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert _wants_torch("auto")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not _wants_torch("auto")
    assert load_photo_denoiser("cae").runtime.name.startswith(("onnx", "openvino"))
    for device in ("gpu", "cuda:0"):
        with pytest.raises(UsageError, match=f"not on {device}|OpenVINO"):
            load_photo_denoiser("cae", device=device)
