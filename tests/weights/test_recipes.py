"""`scripts/make_weights.py` from images to a weight file with its card, in a few steps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from denoise_cli.data.load import load_dataset
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.store import find_weights, list_bundled
from tests.conftest import load_script, write_images

RECIPES = Path(__file__).parents[2] / "configs" / "weights"
LIMIT = 2


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folders that the recipes name."""
    folder = tmp_path / "data"
    for name in (
        "photos",
        "bsds432",
        "stl10-train-64px/cat",
        "real-pairs/noisy",
        "real-pairs/clean",
    ):
        write_images(folder / name, 4, size=70)
    return folder


def make(stage: str, data: Path, *more: str) -> dict[str, Any]:
    """Run a stage for two steps; returns the card."""
    root = data.parent
    (root / "bundle").mkdir(exist_ok=True)
    folders = ["--data", data, "--runs", root / "runs", "--bundle", root / "bundle"]
    options = ["--steps", 2, "--limit", LIMIT, "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make_weights.py", stage, *map(str, folders + options), *more])
        load_script("make_weights").main()
    (card,) = (root / "bundle").glob("*.json")
    found: dict[str, Any] = json.loads(card.read_text())
    return found


def test_a_stage_comes_after_what_it_starts_from_and_each_bundled_file_has_one() -> None:
    stages = load_script("make_weights").stages()
    recipes = {path.stem: yaml.safe_load(path.read_text()) for path in RECIPES.glob("*.yaml")}
    assert set(recipes) == {name for name in stages if not name.endswith("-nobn")}
    assert len(set(stages)) == len(stages)
    for name, recipe in recipes.items():
        for key in {"init", "classifier"} & recipe.keys():
            assert stages.index(Path(recipe[key]).name) < stages.index(name)
    assert stages.index("cnn_unet") > max(map(stages.index, ("unet", "classifier-cnn")))
    bundled = {entry.name.removesuffix("-bn") for entry in list_bundled()}
    assert bundled == {name for name in stages if not name.startswith("classifier")}


def test_a_file_its_card_and_its_scores(data: Path) -> None:
    card = make("cae", data, "--set", "batch_size=4")
    assert (card["model"], card["batch_norm"], card["training"]["steps"]) == ("cae", True, 2)
    assert card["training"]["recipe"]["batch_size"] == 4
    assert card["training"]["start"] is None
    assert card["training"]["device"].startswith("cpu (")
    assert [row["name"] for row in card["data"]] == ["stl10-train-64px", "photos", "bsds432", "real-pairs"]
    # STL-10 and CBSD68 are not there, so they are not scored.
    assert [(row["set"], row["noise"], row["n"]) for row in card["scores"]] == [
        ("real-pairs/test", "real", LIMIT),
        ("sample", "basic", LIMIT),
        ("sample", "intense", LIMIT),
    ]
    _, model = load_weights(data.parent / "bundle" / "cae-bn.safetensors")
    source = load_dataset("sample", "test", limit=LIMIT)
    for row in card["scores"][1:]:
        result = score(model, source, parse_noise(row["noise"]), device=torch.device("cpu"))
        assert float(result.psnr.mean()) == pytest.approx(row["psnr"], abs=0.002)
    # Finished: the same call only scores and packs again.
    log = data.parent / "runs" / "cae" / "metrics.jsonl"
    trained = log.read_bytes()
    again = make("cae", data)
    assert (again["scores"], again["training"]) == (card["scores"], card["training"])
    assert log.read_bytes() == trained


def test_a_file_without_batch_norm_tells_how_it_began(data: Path) -> None:
    card = make("cae-nobn", data, "--set", "batch_size=4")
    start = next(entry.card for entry in list_bundled() if entry.name == "cae-bn")
    assert (card["batch_norm"], card["training"]["init"]) == (False, "cae-bn")
    assert card["training"]["start"] == start.training.model_dump(exclude_unset=True)
    assert any("cae-bn" in text and "folded" in text for text in card["limits"])
    assert any("--no-batchnorm" in command for command in card["reproduce"])
    # Two steps at the start of the warm-up change next to nothing.
    _, before = load_weights(find_weights("cae-bn"))
    source = load_dataset("sample", "test", limit=LIMIT)
    expected = score(before, source, parse_noise("basic"), device=torch.device("cpu"))
    (found,) = (row["psnr"] for row in card["scores"] if (row["set"], row["noise"]) == ("sample", "basic"))
    assert found == pytest.approx(float(expected.psnr.mean()), abs=0.1)
