"""What `import denoise_cli` offers is what the documentation names."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import denoise_cli

ROOT = Path(__file__).parents[1]


def test_the_documented_names_are_the_public_ones() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    imported = {
        name.strip()
        for page in pages
        for line in re.findall(r"^from denoise_cli import (.+)$", page.read_text(), re.MULTILINE)
        for name in line.split(",")
    }
    assert imported
    assert imported <= set(denoise_cli.__all__)
    functions = {"compare", "denoise", "evaluate", "export", "load_model", "psnr", "ssim", "train"}
    assert set(denoise_cli.__all__) == {"__version__"} | functions
    assert dir(denoise_cli) == sorted(denoise_cli.__all__)


def test_every_public_name_is_there_and_documented() -> None:
    for name in denoise_cli.__all__:
        value = getattr(denoise_cli, name)
        if name == "__version__":
            assert value == version("denoise-cli")
        else:
            assert callable(value)
            assert inspect.getdoc(value)


def test_other_names_are_missing_as_from_any_module() -> None:
    assert not hasattr(denoise_cli, "learn")
