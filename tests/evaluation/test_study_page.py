"""docs/study.md is drawn from stored results by `scripts/update_study.py`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command, load_script

PAGE = Path(__file__).parents[2] / "docs" / "study.md"
GRID = ("compare", "--all", "--train", "--steps", "2", "--set", "train_set=[batch_size=8]")


def update(*arguments: Any) -> None:
    load_script("update_study").main([str(each) for each in arguments])


def test_the_page_is_up_to_date() -> None:
    with pytest.raises(SystemExit) as done:
        update("--check")
    assert done.value.code == 0


def test_two_commands_make_the_page(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    """A comparison and the script; what is missing is said to be, and drawn again it is the same."""
    data = ("--noise", "basic", "--batchnorm", "--dataset", image_folder, "--protocol", "paper", "-o", "a")
    made = denoise(*GRID, "--models", "cae,cnn_unet", *data)
    assert made.returncode == 0, made.stderr
    page = tmp_path / "docs/study.md"
    page.parent.mkdir()
    shutil.copy(PAGE, page)
    results = tmp_path / "a/results.json"
    update(results, "--cifar10", results, "--runs", tmp_path / "runs/study-images", "--page", page)
    text = page.read_text()
    stored = json.loads((page.parent / "study/results.json").read_text())
    scores = {(cell["method"], cell["batch_norm"], cell["noise"]): cell for cell in stored["cells"]}
    cae = scores["cae", True, "basic"]
    ours = f"{cae['psnr']:.2f} / {cae['ssim']:.3f}"
    gap = f"{cae['psnr'] - 21.5009:+.2f} / {cae['ssim'] - 0.6647:+.3f}"
    assert f"| `cae` | basic, BN on | 21.50 / 0.665 | {ours} | {gap} |" in text
    assert "| `unet` | intense, BN off | not run | not run yet | – |" in text
    guides = {(each["batch_norm"], each["noise"]): each for each in stored["classifiers"]}
    guide = guides[True, "basic"]
    assert f"| `cnn` | basic, BN on | {guide['parameters']:,} | 0.5333 | {guide['accuracy']:.4f} (" in text
    assert "| `resnet` | basic, BN on | – | 0.4733 | not run yet | – |" in text
    assert f"| `cae` | not run yet | {ours} | not run yet | not run yet |" in text
    assert "Figure 4. unet: its settings as rows: not drawn yet." in text
    for name in ("figure-1.png", "figure-5.png", "figure-3-cae.jpg", "figure-6-cnn_unet.jpg"):
        assert (page.parent / "study" / name).stat().st_size > 5000
        assert f"](study/{name})" in text
    assert not any("image_psnr" in cell for cell in stored["cells"]) and "examples" not in stored
    update("--page", page)
    assert page.read_text() == text
    _cells_made_one_by_one(results, page, scores)
    page.write_text(text.replace("| not run yet", "| run", 1))
    with pytest.raises(SystemExit, match=r"run scripts/update_study\.py"):
        update("--check", "--page", page)


def _cells_made_one_by_one(results: Path, page: Path, scores: dict[Any, Any]) -> None:
    """Results of one cell each end as those of both; what differs in its images replaces all."""
    parts = []
    for method in ("cae", "cnn_unet"):
        part = json.loads(results.read_text())
        part["cells"] = [cell for cell in part["cells"] if cell["method"] == method]
        part["date"] = {"cae": "2026-01-02T03:04:05+00:00"}.get(method, part["date"])
        parts.append(results.with_name(f"{method}.json"))
        parts[-1].write_text(json.dumps(part))
    update(*parts, "--page", page)
    stored = json.loads((page.parent / "study/results.json").read_text())
    found = {(cell["method"], cell["batch_norm"], cell["noise"]): cell for cell in stored["cells"]}
    names = ("cae", "cnn_unet")
    assert {name: found[name, True, "basic"]["psnr"] for name in names} == {
        name: scores[name, True, "basic"]["psnr"] for name in names
    }
    assert f"scored from 2026-01-02 to {part['date'][:10]} (" in page.read_text()
    best = max(scores[name, True, "basic"]["psnr"] for name in names)
    for name in names:
        psnr = scores[name, True, "basic"]["psnr"]
        assert found[name, True, "basic"]["to_best"] == [pytest.approx(psnr - best)]
    part["seed"] += 1
    parts[-1].write_text(json.dumps(part))
    update(parts[-1], "--page", page)
    stored = json.loads((page.parent / "study/results.json").read_text())
    assert {cell["method"] for cell in stored["cells"]} == {"cnn_unet"}


def test_a_page_without_results(tmp_path: Path) -> None:
    page = tmp_path / "study.md"
    shutil.copy(PAGE, page)
    update("--page", page)
    text = page.read_text()
    assert text.count("not run yet |") == 8 + 20 + 20 + 20
    assert "No results are stored yet." in text
    assert "Figure 2. cnn: its settings as rows: not drawn yet." in text
