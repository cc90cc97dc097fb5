"""Dependencies between the packages point one way, and only the console prints."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

import denoise_cli
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS

PACKAGE = Path(denoise_cli.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "bundled" not in p.parts)

# What each package may import of ours, beside itself. A more precise name stands for itself alone: the
# networks' graphs are written in `onnx.layers`, which knows no network; the rest of `onnx` knows all.
_GROUND = {"errors", "seeds", "text"}
_BASE = _GROUND | {
    "files",
    "devices",
    "distributed",
    "config",
    "runs",
    "models",
    "noise",
    "data",
    "metrics",
    "weights",
}
ALLOWED = {
    "errors": set(),
    "seeds": set(),
    "text": set(),
    "files": _GROUND,
    "devices": _GROUND,
    "distributed": _GROUND,
    "models": _GROUND,
    "models.*graph": {"models", "onnx.layers"},
    "noise": _GROUND,
    # Photos are read as those of data sets are, files of measured noise as configs.
    "noise.like": _GROUND | {"noise", "config.yaml", "data.pictures"},
    "metrics": set(),
    "config": _GROUND | {"models", "noise", "data.names"},
    "data.names": set(),
    "data": _GROUND | {"files"},
    "runs": _GROUND | {"files"},
    "weights": _GROUND | {"files", "models", "runs"},
    "onnx.protobuf": set(),
    "onnx.layers": {"onnx.protobuf"},
    "onnx.runtime": set(),
    # An exported network is compared with PyTorch on pictures of the sample.
    "onnx": _GROUND | {"files", "models", "weights", "data"},
    "external": _GROUND | {"files", "onnx.runtime", "weights"},
    "evaluation.report": _BASE | {"evaluation.report"},
    "evaluation.scores": _BASE | {"evaluation.scores", "evaluation.report", "external"},
    "evaluation.comparison": _BASE
    | {"evaluation.comparison", "evaluation.scores", "evaluation.report", "external"},
    # Guided networks are found and coloured as all others are.
    "evaluation.guidance": _BASE
    | {"evaluation.guidance", "evaluation.scores", "evaluation.report"}
    | {"evaluation.comparison.cells", "evaluation.comparison.charts"},
    "evaluation": _BASE,
    "training": _BASE | {"evaluation"},
    "photo.pixels": _GROUND | {"photo.pixels", "models.info"},
    "photo.files": _GROUND | {"files", "photo.files", "photo.pixels.types"},
    "photo.runtimes": _GROUND
    | {"photo.runtimes", "photo.pixels.types", "devices", "models", "onnx", "weights", "external"},
    "photo.tiling": _GROUND | {"photo.tiling", "photo.pixels", "photo.runtimes", "models"},
    "photo": _BASE | {"onnx"},
    "serve": _GROUND | {"photo", "files"},
    "cli": _BASE | {"training", "evaluation", "photo", "onnx", "external.known", "serve"},
    # The commands' work from Python; __init__ names it.
    "experiments": _BASE | {"training", "evaluation", "photo", "onnx"},
    "__init__": _BASE | {"photo", "experiments"},
    "__main__": {"cli"},
}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _package(path: Path) -> str:
    """The key of `ALLOWED` that a file belongs to: the most precise one."""
    module = _module(path)
    return max((key for key in ALLOWED if fnmatch(module, key) or fnmatch(module, f"{key}.*")), key=len)


def _imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, without the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "denoise_cli":
            names = [f"denoise_cli.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("denoise_cli.") for name in names if name.startswith("denoise_cli.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    package = _package(path)
    allowed = ALLOWED[package] if "." in package else ALLOWED[package] | {package}
    astray = {
        name
        for name in _imports(path)
        if not any(name == key or name.startswith(f"{key}.") for key in allowed)
    }
    assert astray == set()


def test_only_the_console_prints() -> None:
    printing = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def _strings(path: Path) -> list[str]:
    """The string constants of a file that are not docstrings."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]


def test_only_the_registry_names_architectures() -> None:
    names = re.compile(rf"\b({'|'.join({*DENOISERS.own, *CLASSIFIERS.own})})\b")
    found = {
        (_module(path), text)
        for path in FILES
        for text in _strings(path)
        if not _module(path).startswith("models.") and names.search(text)
    }
    # The published scores are data; a guided network calls the U-Net in it so.
    known = {("training.build", "unet.")}
    assert {(module, text) for module, text in found if module != "evaluation.comparison.published"} == known


def test_every_package_has_files() -> None:
    assert {_package(path) for path in FILES} >= ALLOWED.keys()
