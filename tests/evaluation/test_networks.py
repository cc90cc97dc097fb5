"""Networks compared side by side, and a comparison that goes on where it was interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from denoise_cli.config import CompareConfig, TestDataConfig
from denoise_cli.errors import ConfigError, DenoiseError
from denoise_cli.evaluation.comparison import score_cell
from denoise_cli.evaluation.comparison.networks import find_networks
from denoise_cli.evaluation.comparison.run import run_comparison
from denoise_cli.evaluation.scores import scoring
from denoise_cli.models import build_classifier
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import WeightsHeader
from denoise_cli.weights.hub import export_folder
from tests.conftest import Command
from tests.evaluation.test_grid import save_run, silent


def test_each_has_a_row_of_its_own(tmp_path: Path, image_folder: Path) -> None:
    mine = save_run(tmp_path / "runs/mine", 1)
    other = save_run(tmp_path / "other/mine", 2, batch_norm=False)
    (save_run(tmp_path / "file", 3) / "last.safetensors").rename(tmp_path / "own.safetensors")
    data = TestDataConfig(dataset=str(image_folder))
    names = ("cae-nobn", str(mine), "CAE", str(other), str(tmp_path / "own.safetensors"), "cae-bn")
    results = run_comparison(CompareConfig(networks=names, data=data, device="cpu"), silent)
    assert results is not None
    assert results.methods == [
        "noisy input",
        "cae-nobn",
        str(mine / "last.safetensors"),
        "cae-bn",
        str(other / "last.safetensors"),
        "own",
    ]
    assert results.columns == [(None, "basic"), (None, "intense")]
    assert set(results.costs) == set(results.methods[1:])
    alone = run_comparison(CompareConfig(networks=("cae",), data=data, device="cpu"), silent)
    assert alone is not None
    same, again = (each.cell("cae-bn", None, "basic") for each in (alone, results))
    assert same is not None
    assert again is not None
    assert same.image_psnr == again.image_psnr


def test_a_folder_of_runs_stands_for_all_of_them(tmp_path: Path) -> None:
    for seed in (1, 2):
        save_run(tmp_path / f"runs/s{seed}", seed)
    assert list(find_networks([str(tmp_path / "runs"), "cae"], batch_norm=False)) == ["s1", "s2", "cae-nobn"]


def test_classifiers_in_a_folder_of_runs_are_no_networks(tmp_path: Path) -> None:
    run = save_run(tmp_path / "runs/mine", 1)
    save_run(tmp_path / "runs/other", 2)
    classifier = tmp_path / "runs/guide/last.safetensors"
    classifier.parent.mkdir()
    header = WeightsHeader("classifier", "cnn", True, ("a", "b"), 32)
    save_weights(classifier, build_classifier("cnn", num_classes=2, image_size=32), header)
    assert list(find_networks([str(run.parent)], batch_norm=True)) == ["mine", "other"]
    with pytest.raises(DenoiseError, match="holds the classifier 'cnn'") as raised:
        find_networks([str(classifier.parent)], batch_norm=True)
    assert "--eval-only --weights" in raised.value.hint and "--dataset" in raised.value.hint


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    run = save_run(tmp_path / "runs/mine", 1)
    export_folder(run / "last.safetensors", tmp_path / "published", overwrite=False)
    (found,) = find_networks([str(tmp_path / "published")], batch_norm=True).values()
    assert found.path.name == "model.safetensors"


def test_what_may_stand_beside_networks(tmp_path: Path) -> None:
    several = CompareConfig.model_validate({"weights": ["a", "b"]})
    assert (several.networks, several.weights) == (("a", "b"), None)
    beside = CompareConfig.model_validate({"networks": ["unet"], "weights": "b", "benchmark": "real"})
    assert (beside.networks, beside.noise) == (("unet", "b"), ("real",))
    assert CompareConfig.model_validate({"weights": "a"}).weights == Path("a")
    for values in ({"models": ["cae"]}, {"train": True}, {"batch_norm": [True, False]}):
        with pytest.raises(ConfigError, match="exclude each other"):
            CompareConfig.model_validate({"networks": ["unet"], **values})
    for name, text in (
        ("unett", "Did you mean 'unet'"),
        (str(tmp_path), "no finished runs"),
        ("runs/nothing", "no weight file or run folder"),
    ):
        with pytest.raises(DenoiseError, match=text):
            find_networks([name], batch_norm=True)


def test_on_the_command_line(denoise: Command, tmp_path: Path, image_folder: Path) -> None:
    save_run(tmp_path / "runs/mine", 1)
    data = ("--dataset", image_folder, "--set", "data.limit=2", "--noise", "basic")
    made = denoise("compare", "photo_unet", "runs/mine", *data)
    assert made.returncode == 0, made.stderr
    assert {"photo_unet", "mine"} <= {line.split()[1] for line in made.stdout.splitlines() if "│" in line}
    by_option = denoise("compare", "--weights", "photo_unet", "--weights", "runs/mine", *data)
    assert by_option.stdout.splitlines()[:8] == made.stdout.splitlines()[:8]
    refused = denoise("compare", "photo_unet", "--all")
    assert refused.returncode == 2
    assert "--all has no effect beside named networks" in refused.stderr


def test_an_interrupted_comparison_scores_the_rest_only(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "cache"))
    config = CompareConfig(
        networks=("cae-bn", "cnn-bn"), noise=("basic",), data=TestDataConfig(dataset=str(image_folder))
    )
    whole = run_comparison(config, silent)
    assert whole is not None
    shutil.rmtree(tmp_path / "cache")
    budget = 2
    score_once = scoring.score

    def score_within_budget(*args: Any, **fields: Any) -> Any:
        nonlocal budget
        if budget == 0:
            raise KeyboardInterrupt
        budget -= 1
        return score_once(*args, **fields)

    monkeypatch.setattr(score_cell, "score", score_within_budget)
    with pytest.raises(KeyboardInterrupt):
        run_comparison(config, silent)
    (kept,) = (tmp_path / "cache").rglob("*.jsonl")
    kept.write_bytes(kept.read_bytes() + b'{"key": "cut o')
    budget = 1
    again = run_comparison(config, silent)
    assert again is not None
    volatile = {"seconds_per_megapixel"}
    for one, other in zip(whole.cells, again.cells, strict=True):
        assert one.model_dump(exclude=volatile) == other.model_dump(exclude=volatile)
    assert again.examples == whole.examples
    budget = 0
    third = run_comparison(config, silent)
    assert third is not None and third.cells == again.cells and third.examples == whole.examples


def test_other_pixels_are_another_comparison(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that was changed under its old name is scored anew."""
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "cache"))
    config = CompareConfig(
        networks=("cae-bn",), noise=("basic",), data=TestDataConfig(dataset=str(image_folder))
    )
    before = run_comparison(config, silent)
    pictures = sorted((image_folder / "test").rglob("*.png"))
    pictures[0].write_bytes(pictures[-1].read_bytes())
    after = run_comparison(config, silent)
    assert before is not None
    assert after is not None
    assert before.cells[1].image_psnr[0] != after.cells[1].image_psnr[0]
