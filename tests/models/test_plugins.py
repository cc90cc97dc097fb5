"""Architectures of other packages: the package of docs/adding-a-model.md, and broken ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from denoise_cli.errors import ModelWarning
from denoise_cli.models.plugins import GROUP, find_plugins
from denoise_cli.models.registry import DENOISERS
from denoise_cli.onnx.runtime import ort
from tests.conftest import Command

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-model.md"


def install(site: Path, files: dict[str, str], points: dict[str, str], package: str = "denoise-tiny") -> str:
    """Lay a package out as pip does; returns the PYTHONPATH with it."""
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    info = site / f"{package.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))


def page_files() -> dict[str, str]:
    """The blocks of the page, by the file that each one names in its first line."""
    return dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL))


def page_points() -> dict[str, str]:
    """The page's entry points."""
    points: dict[str, str] = tomllib.loads(page_files()["pyproject.toml"])["project"]["entry-points"][GROUP]
    return points


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, str]:
    """The environment with the page's package."""
    return {"PYTHONPATH": install(tmp_path / "site", page_files(), page_points())}


def write_photo(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (45, 61, 3), dtype=np.uint8)).save(path)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, int)


def rows(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the page's network, two steps long, as the program trains it."""
    folder = tmp_path_factory.mktemp("trained")
    arguments = ("--dataset", "sample", "--device", "cpu", "--steps", "2", "--batch-size", "4")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "denoise_cli",
            "train",
            "tiny",
            *arguments,
            "--set",
            "data.validation_limit=2",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": install(folder / "site", page_files(), page_points())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny-sample-basic-s0"


def test_the_pages_network_is_listed_tested_and_compared(
    tiny: dict[str, str], run: Path, denoise_process: Command
) -> None:
    listed = denoise_process("models", "--json", **tiny)
    assert listed.stderr == ""
    (row,) = [row for row in rows(listed)["models"] if row["name"] == "tiny"]
    assert row["parameters"] == row["parameters_no_batch_norm"] == 3 * 16 * 9 + 16 + 16 * 3 * 9 + 3
    tested = rows(denoise_process("test", "--weights", run, "--limit", "2", "--json", **tiny))
    assert (tested["model"], tested["n"]) == ("tiny", 2)
    compared = denoise_process(
        *("compare", "--models", "tiny", "--weights", run, "--noise", "basic"),
        *("--limit", "2", "--format", "json"),
        **tiny,
    )
    (cell,) = [cell for cell in rows(compared)["cells"] if cell["kind"] == "model"]
    assert cell["method"] == "tiny"
    assert cell["psnr"] == pytest.approx(tested["psnr"], abs=1e-3)


def test_the_pages_network_cleans_photos_and_is_exported(
    tiny: dict[str, str], run: Path, denoise_process: Command, tmp_path: Path
) -> None:
    write_photo(tmp_path / "photo.png")
    arguments = ("denoise-image", "photo.png", "--weights", run, "--device", "cpu")
    for runtime in ("onnx", "torch"):
        done = denoise_process(*arguments, "--runtime", runtime, "-o", f"{runtime}.png", **tiny)
        assert done.returncode == 0, done.stderr
    by_onnx, by_torch = (read(tmp_path / f"{name}.png") for name in ("onnx", "torch"))
    assert np.abs(by_onnx - by_torch).max() <= 1
    exported = denoise_process("export", "--weights", run, **tiny)
    assert exported.returncode == 0, exported.stderr
    assert ort.InferenceSession(tmp_path / "tiny.onnx").get_outputs()[0].name == "denoised"

    # Without its graph the same network runs on torch.
    entry = tmp_path / "site" / "denoise_tiny" / "__init__.py"
    entry.write_text("\n".join(line for line in entry.read_text().splitlines() if "graph=" not in line))
    done = denoise_process(*arguments, "-o", "no-graph.png", **tiny)
    assert done.returncode == 0, done.stderr
    assert (read(tmp_path / "no-graph.png") == by_torch).all()
    refused = denoise_process(*arguments, "--runtime", "onnx", "-o", "x.png", **tiny)
    assert (refused.returncode, "no ONNX graph of the model tiny" in refused.stderr) == (2, True)
    refused = denoise_process("export", "--weights", run, "-o", "x.onnx", **tiny)
    assert (refused.returncode, "no ONNX graph of the model tiny" in refused.stderr) == (1, True)
    assert not (tmp_path / "x.onnx").exists()


def test_weights_of_a_missing_package_name_their_model(run: Path, denoise: Command, tmp_path: Path) -> None:
    write_photo(tmp_path / "photo.png")
    for command in (("denoise-image", "photo.png"), ("test",), ("export",)):
        refused = denoise(*command, "--weights", run)
        assert refused.returncode == 1
        assert "holds the denoiser 'tiny', which this installation lacks" in refused.stderr


def test_the_pages_entry_tells_the_truth(
    tiny: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    (info,) = [info for info in find_plugins(DENOISERS.own.values()) if info.name == "tiny"]
    model = info.load_network()().eval()
    assert model.size_multiple == info.size_multiple
    x = torch.rand(1, 3, 100, 100, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        y = model(x)
    assert info.gflop_per_megapixel == pytest.approx(counter.get_total_flops() / 1e9 / 0.01, rel=0.01)
    (gradient,) = torch.autograd.grad(y[0, :, 50, 50].sum(), x)
    reach = (gradient[0].abs().sum(0).nonzero() - 50).abs().max()
    assert reach == info.receptive_radius <= info.halo


def test_a_plugin_is_found_without_torch_and_only_when_it_is_asked_for(tiny: dict[str, str]) -> None:
    program = (
        "import sys\n"
        "from denoise_cli.models.registry import DENOISERS, STUDY_MODELS, denoiser_info\n"
        "assert denoiser_info('unet').name in STUDY_MODELS\n"
        "assert 'denoise_tiny' not in sys.modules\n"
        "assert denoiser_info('Tiny').name == 'tiny' and 'tiny' in list(DENOISERS)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **tiny}, check=True)


GUIDED = {
    "denoise_mini.py": """
from dataclasses import replace

from denoise_cli.models.classifiers.resnet import INFO as RESNET
from denoise_cli.models.resnet_unet import INFO as RESNET_UNET

MINI = replace(RESNET, name="mini", network="denoise_mini_network:Mini", graph=None, is_default=False)
MINI_UNET = replace(RESNET_UNET, name="mini_unet", classifier="mini")
""",
    "denoise_mini_network.py": """
from torch import nn

from denoise_cli.models.classifiers.base import Classifier


class Mini(Classifier):
    feature_channels = 4

    def __init__(self, batch_norm=True, num_classes=10, image_size=96):
        super().__init__(num_classes, image_size)
        self.grid = nn.Conv2d(3, 4, 8, stride=8)
        self.linear = nn.Linear(4, num_classes)

    def features(self, x):
        return self.grid(x)

    def head(self, features):
        return self.linear(features.mean((2, 3)))
""",
}


def test_a_classifier_of_another_package_guides_a_unet(tmp_path: Path) -> None:
    program = (
        "import torch\n"
        "from denoise_cli.models import build_denoiser\n"
        "from denoise_cli.models.registry import CLASSIFIERS, DENOISERS, STUDY_MODELS\n"
        "from denoise_cli.onnx.graphs import why_no_graph\n"
        "from denoise_cli.weights.header import WeightsHeader\n"
        "assert 'mini' in CLASSIFIERS and 'mini' not in DENOISERS and 'mini_unet' not in STUDY_MODELS\n"
        "for guidance in ('predicted', 'features'):\n"
        "    model = build_denoiser('mini_unet', image_size=32, guidance=guidance).eval()\n"
        "    assert type(model.classifier).__name__ == 'Mini'\n"
        "    assert model(torch.rand(2, 3, 40, 33)).shape == (2, 3, 40, 33)\n"
        "print(why_no_graph(WeightsHeader('denoiser', 'mini_unet', True, ('a', 'b'), 32)))\n"
    )
    points = {"mini": "denoise_mini:MINI", "mini_unet": "denoise_mini:MINI_UNET"}
    environment = {**os.environ, "PYTHONPATH": install(tmp_path, GUIDED, points, "denoise-mini")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "the classifier mini, which guides the model mini_unet"


BROKEN = {
    "import": ("raise RuntimeError('no luck')", "cannot be loaded: no luck"),
    "missing": ("", "cannot be loaded: module 'denoise_odd' has no attribute 'INFO'"),
    "kind": ("INFO = 3", "cannot be loaded: denoise_odd:INFO is not a ModelInfo"),
    "name": ("{entry}.replace(INFO, name='Odd Net')", "cannot be loaded: a model's name has"),
    "taken": ("{entry}.replace(INFO, name='unet')", "is left out: there is a denoiser unet already"),
    "half": ("{entry}.replace(INFO, classifier='cnn')", "needs both `classifier` and `unguided`"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_left_out_with_one_sentence(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, message = BROKEN[case]
    entry = "import dataclasses\nfrom denoise_cli.models.unet import INFO\nINFO = dataclasses"
    files = {"denoise_odd.py": text.format(entry=entry)}
    install(tmp_path, files, {"odd": "denoise_odd:INFO"}, "denoise-odd")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "denoise_odd", raising=False)
    with pytest.warns(ModelWarning, match="'odd' of the package denoise-odd") as caught:
        found = find_plugins(DENOISERS.own.values())
    assert "unet" not in {info.name for info in found}
    (warning,) = [str(w.message) for w in caught if "denoise-odd" in str(w.message)]
    assert message in warning and warning.endswith(".")
    sys.modules.pop("denoise_odd", None)


def test_no_command_crashes_for_a_broken_plugin(denoise_process: Command, tmp_path: Path) -> None:
    entry = "import dataclasses\nfrom denoise_cli.models.cnn import INFO\n"
    changed = "name='odd', network='nowhere:Odd', parameters=None"
    files = {
        "odd_entry.py": "raise RuntimeError('no luck')\n",
        "odd_network.py": f"{entry}INFO = dataclasses.replace(INFO, {changed})\n",
    }
    points = {"bad": "odd_entry:INFO", "odd": "odd_network:INFO"}
    path = install(tmp_path / "site", files, points, "denoise-odd")
    listed = denoise_process("models", "--json", PYTHONPATH=path)
    assert set(DENOISERS.own) <= {row["name"] for row in rows(listed)["models"]}
    assert "odd" not in {row["name"] for row in rows(listed)["models"]}
    assert [line.split(":")[0] for line in listed.stderr.splitlines()] == ["Warning"] * 2
    refused = denoise_process("train", "unnet", PYTHONPATH=path)
    assert refused.returncode == 2
    assert "Did you mean 'unet'" in refused.stderr and "no luck" in refused.stderr
    built = denoise_process("train", "odd", "--dataset", "sample", "--steps", "1", PYTHONPATH=path)
    assert built.returncode == 1
    assert "cannot be loaded from nowhere:Odd" in built.stderr and "Traceback" not in built.stderr
    # A name of ours needs no look at other packages.
    assert denoise_process("export", "cae", PYTHONPATH=path).stderr.count("Warning") == 0
