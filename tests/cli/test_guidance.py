"""`denoise compare --guidance` and weights with guidance, as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from denoise_cli.models.guidance import GuidanceSource
from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader
from tests.conftest import Command

GUIDED = ("compare", "--models", "resnet_unet", "--noise", "basic")
TRAIN = (*GUIDED, "--train", "--steps", "2", "--set", "train_set=[batch_size=8]")

ORACLE = ("train", "resnet_unet", "--steps", "1", "--classifier", "oracle", "--set", "guidance.source=oracle")


def save_guided(folder: Path, source: GuidanceSource, injection: str = "concat") -> Path:
    torch.manual_seed(0)
    classes = ("airplane", "cat")
    architecture = WeightsHeader(
        "denoiser",
        "resnet_unet",
        True,
        classes,
        32,
        "basic",
        source,
        "film" if injection == "film" else "concat",
    )
    save_weights(folder / "last.safetensors", build(architecture), architecture)
    return folder


@pytest.mark.slow
def test_all_sources_are_trained_scored_and_drawn_again(
    denoise: Command, image_folder: Path, tmp_path: Path
) -> None:
    arguments = ("--guidance", "all", "--injection", "concat,film", "--dataset", image_folder)
    output = ("--set", "train_noise=basic", "-o", "out")
    both = (*TRAIN, *arguments, *output)
    done = denoise(*both, "--noise", "basic,0.1")
    assert done.returncode == 0, done.stderr
    # A classifier, the plain U-Net, and five sources by two injections.
    assert "Run 12 of 12" in done.stderr
    assert "Run folder: runs/study-images/resnet_unet-oracle-film-images-basic-bn-s0" in done.stderr

    results = json.loads((tmp_path / "out/results.json").read_text())
    keys = {
        (r["variant"]["source"], r["variant"]["injection"], r["seed"], r["noise"]) for r in results["runs"]
    }
    assert len(keys) == len(results["runs"]) == 2 * 11
    assert {r["trained_on"] for r in results["runs"]} == {"basic"}
    for run in results["runs"]:
        assert len(run["psnr"]) == len(run["ssim"]) == len(results["images"]) == 8
        assert len(run["right"]) == (0 if run["variant"]["source"] == "none" else 8)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"results.json", "tables.md", "images.csv", "gain-basic-bn.png"}

    again = denoise("compare", "--from", "out/results.json", "--format", "markdown")
    assert again.stdout == (tmp_path / "out/tables.md").read_text()
    assert denoise("compare", "--from", "out/results.json").stdout == done.stdout
    # All is trained already; fewer sources are scored the same.
    fewer = (*TRAIN, "--guidance", "shuffled", *arguments[4:], "--format", "json")
    third = denoise(*fewer)
    assert third.returncode == 0, third.stderr
    assert "Run 1" not in third.stderr
    scored = {r["weights"]: r["psnr"] for r in results["runs"] if r["noise"] == "basic"}
    for run in json.loads(third.stdout)["runs"]:
        assert run["psnr"] == scored[run["weights"]]

    # The ordinary grid takes the study's guidance alone.
    grid = denoise(*GUIDED, "--weights", "runs/study-images", "--dataset", image_folder, "--format", "json")
    (cell,) = [cell for cell in json.loads(grid.stdout)["cells"] if cell["kind"] == "model"]
    assert [Path(run["weights"]).name for run in cell["runs"]] == ["resnet_unet-images-basic-bn-s0"]


def test_a_given_classifier_guides_all(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    architecture = WeightsHeader("classifier", "resnet", True, ("cat", "airplane"), 32, "basic")
    save_weights(tmp_path / "guide/last.safetensors", build(architecture), architecture)
    arguments = ("--guidance", "oracle", "--set", "classifier=guide", "--format", "json")
    done = denoise(*TRAIN, *arguments, "--dataset", image_folder)
    assert done.returncode == 0, done.stderr
    assert "Run 2 of 2" in done.stderr
    assert "classifier-" not in done.stderr
    config = (
        tmp_path / "runs/study-images/resnet_unet-oracle-concat-images-basic-bn-s0/config.yaml"
    ).read_text()
    assert "classifier: guide" in config


def test_the_oracle_needs_known_labels(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(image_folder / "test" / "cat", flat)
    other = tmp_path / "other"
    shutil.copytree(image_folder, other)
    for split in ("train", "test"):
        for name in ("deer", "frog"):
            shutil.copytree(other / split / "cat", other / split / name)
    save_guided(tmp_path / "oracle", "oracle")
    torch.manual_seed(0)
    plain = WeightsHeader("denoiser", "unet", True, noise="basic")
    save_weights(tmp_path / "runs/unet/last.safetensors", build(plain), plain)
    save_guided(tmp_path / "runs/oracle", "oracle")
    many = "4 classes and the classifier 2; it does not know deer, frog"
    cases: list[tuple[tuple[str, ...], str]] = [
        (("test", "--weights", "oracle", "--dataset", "flat"), "flat has no labels"),
        (("test", "--weights", "oracle", "--dataset", "other"), many),
        ((*TRAIN, "--guidance", "oracle", "--dataset", "flat"), "has no labels"),
        ((*TRAIN, "--guidance", "oracle", "--dataset", "other", "--set", "classifier=oracle"), many),
        ((*GUIDED, "--guidance", "oracle", "--weights", "runs", "--dataset", "flat"), "has no labels"),
        ((*GUIDED, "--guidance", "oracle", "--weights", "runs", "--dataset", "other"), many),
        ((*ORACLE, "--dataset", "flat"), "has no labels"),
        ((*ORACLE, "--dataset", "other"), "does not know the classes deer, frog"),
    ]
    for arguments, text in cases:
        result = denoise(*arguments)
        assert (result.returncode, text in result.stderr.replace("\n", " ")) == (1, True), (
            arguments,
            result.stderr,
        )
    assert not (tmp_path / "runs/study-flat").exists()


@pytest.mark.parametrize("source", ["oracle", "shuffled"])
def test_what_no_photo_shows_is_not_guessed(
    denoise: Command, image_folder: Path, tmp_path: Path, source: GuidanceSource
) -> None:
    save_guided(tmp_path / "run", source)
    photo = str(image_folder / "test/cat/000.png")
    for arguments in (("denoise-image", photo), ("export",)):
        result = denoise(*arguments, "--weights", "run")
        assert result.returncode == 1
        assert f"`{source}` guidance" in result.stderr
    scored = denoise("test", "--weights", "run", "--dataset", image_folder, "--json")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["guidance"] == source


@pytest.mark.parametrize(
    ("source", "injection"), [("features", "concat"), ("predicted", "film"), ("zero", "concat")]
)
def test_photos_with_other_guidance_go_through_torch(
    denoise: Command, image_folder: Path, tmp_path: Path, source: GuidanceSource, injection: str
) -> None:
    save_guided(tmp_path / "run", source, injection)
    photo = str(image_folder / "test/cat/000.png")
    arguments = ["denoise-image", photo, "--weights", "run", "-o", "out.png", "--device", "cpu"]
    refused = denoise(*arguments, "--runtime", "onnx")
    assert refused.returncode == 2
    assert "--runtime torch" in refused.stderr
    done = denoise(*arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()
    exported = denoise("export", "--weights", "run")
    assert exported.returncode == 1
    assert "cannot be exported" in exported.stderr


def test_requests_that_make_no_sense(denoise: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    save_guided(tmp_path / "runs/a", "oracle")
    cases = [
        (("--guidance", "orakel"), 2, "must be none, zero"),
        (("--guidance", "all", "--models", "unet"), 2, "compares guided models"),
        (("--guidance", "all", "--injection", "glue"), 2, "film"),
        (("--guidance", "all", "--baselines"), 2, "goes with neither"),
        (("--guidance", "all", "--format", "html"), 2, "no HTML report"),
        (("--set", "train_noise=basic"), 2, "goes with `guidance` only"),
        (("--guidance", "all"), 1, "none are named"),
        (("--guidance", "all", "--weights", "runs"), 1, "no finished run of the plain U-Net"),
        (("--seeds", "0"), 2, "`train_seeds` is empty"),
    ]
    for arguments, code, text in cases:
        result = denoise("compare", *arguments)
        assert (result.returncode, text in result.stderr.replace("\n", " ")) == (code, True), (
            arguments,
            result.stderr,
        )
