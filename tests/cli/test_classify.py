"""`denoise classify`: train, test, resume, and name what a picture shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from denoise_cli.training.signals import Interrupted
from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader
from tests.conftest import Command

TRAIN = (
    "classify",
    "resnet",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--set",
    "data.flip=false",
    "--device",
    "cpu",
)


@pytest.fixture
def run(denoise: Command, image_folder: Path, tmp_path: Path) -> Path:
    """A classifier trained for one epoch."""
    result = denoise(*TRAIN, "--dataset", image_folder, "--out", "runs/c")
    assert result.returncode == 0, result.stderr
    return tmp_path / "runs/c"


def test_training_ends_with_a_test(denoise: Command, image_folder: Path, run: Path) -> None:
    record = json.loads((run / "test/scores.json").read_text())
    assert record["n"] == 8
    assert set(record["accuracy"]) >= {"clean", "noisy"}
    # Two checks that do not share code with the report: a recount, and the matrix's diagonal.
    truth = [name.split("/")[0] for name in record["images"]]
    hits = [record["classes"][i] == t for i, t in zip(record["predicted"]["noisy"], truth, strict=True)]
    assert record["accuracy"]["noisy"]["mean"] == pytest.approx(sum(hits) / 8)
    assert sum(record["confusion"][i][i] for i in range(2)) == sum(hits)
    assert [sum(row) for row in record["confusion"]] == [4, 4]
    with Image.open(run / "test/confusion.png") as picture:
        assert min(picture.size) > 100


def test_what_contradicts_the_weights_is_refused(denoise: Command, image_folder: Path, run: Path) -> None:
    tested = ("classify", "--eval-only", "--weights", run, "--dataset", image_folder)
    done = denoise(*tested, "cnn")
    assert (done.returncode, "holds the classifier resnet, not cnn." in done.stderr) == (2, True)
    done = denoise(*tested, "--no-batchnorm")
    assert (done.returncode, "was trained with batch norm." in done.stderr) == (2, True)
    assert denoise(*tested, "ResNet", "--batchnorm").returncode == 0


def test_eval_only_gives_the_same_numbers(denoise: Command, image_folder: Path, run: Path) -> None:
    result = denoise("classify", "--eval-only", "--weights", run, "--dataset", image_folder, "--json")
    assert result.returncode == 0, result.stderr
    again = json.loads(result.stdout)
    first = json.loads((run / "test/scores.json").read_text())
    assert again["accuracy"]["noisy"] == first["accuracy"]["noisy"]
    assert again["sha256"] == first["sha256"]


def test_what_denoising_is_worth(denoise: Command, image_folder: Path, run: Path) -> None:
    trained = denoise(
        "train", "cae", "--dataset", image_folder, "--steps", "2", "--batch-size", "4", "--out", "runs/d"
    )
    assert trained.returncode == 0, trained.stderr
    result = denoise(
        *(
            "classify",
            "--eval-only",
            "--weights",
            run,
            "--dataset",
            image_folder,
            "--denoiser",
            "runs/d",
            "--json",
        )
    )
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)["accuracy"]) == {"clean", "noisy", "denoised"}


def test_resume_goes_on_to_more_epochs(denoise: Command, run: Path) -> None:
    result = denoise("classify", "--resume", run, "--epochs", "2")
    assert result.returncode == 0, result.stderr
    assert "Done: 6 steps" in result.stderr


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A classifier that has learned nothing."""
    architecture = WeightsHeader("classifier", "resnet", True, ("airplane", "cat"), 32)
    save_weights(tmp_path / "fresh.safetensors", build(architecture), architecture)
    return tmp_path / "fresh.safetensors"


def test_picture(denoise: Command, weights: Path, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((50, 40)).save(tmp_path / "grey.png")
    result = denoise("classify", "--image", "grey.png", "--weights", weights, "--json")
    assert result.returncode == 0, result.stderr
    guesses = json.loads(result.stdout)
    assert {guess["class"] for guess in guesses} == {"airplane", "cat"}
    assert sum(guess["probability"] for guess in guesses) == pytest.approx(1)
    assert guesses[0]["probability"] >= guesses[1]["probability"]


def test_a_picture_of_any_format_that_photos_have(denoise: Command, weights: Path, tmp_path: Path) -> None:
    """The same picture, turned and with more bits: the same guesses."""
    rng = np.random.default_rng(0)
    pixels = np.asarray(Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)).resize((60, 50)))
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "turned.png", exif=exif)
    deep = pyvips.Image.new_from_array(pixels.astype(np.float32) / 255)
    deep.copy(interpretation="scrgb").tiffsave(str(tmp_path / "float.tif"))
    wide = (deep * 65535).cast("ushort").copy(interpretation="rgb16")
    wide.heifsave(str(tmp_path / "deep.avif"), compression="av1", bitdepth=12, lossless=True)
    guesses = []
    for name in ("plain.png", "turned.png", "float.tif", "deep.avif"):
        result = denoise("classify", "--image", name, "--weights", weights, "--json")
        assert result.returncode == 0, result.stderr
        guesses.append({guess["class"]: guess["probability"] for guess in json.loads(result.stdout)})
    assert all(each == pytest.approx(guesses[0], abs=0.01) for each in guesses[1:])
    assert guesses[1] == guesses[0]


def test_errors_name_the_way_out(denoise: Command, tmp_path: Path, weights: Path) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "flat/a.png")
    cases = [
        (("classify", "resnet50"), 2, "Did you mean 'resnet'?"),
        (("classify",), 2, "model is missing"),
        (("classify", "cnn", "--weights", str(weights)), 2, "--eval-only"),
        (("classify", "--image", "none.png"), 2, "There is no picture none.png"),
        (("classify", "--image", "note.txt", "--weights", str(weights)), 1, "not a picture that can be read"),
        (("classify", "--eval-only", "--weights", str(weights), "--dataset", "flat"), 1, "no class folders"),
        (("classify", "--eval-only", "--weights", str(weights), "--dataset", "nowhere"), 1, "nowhere"),
    ]
    for arguments, code, text in cases:
        result = denoise(*arguments)
        assert (result.returncode, text in result.stderr) == (code, True), (arguments, result.stderr)


def test_a_mixture_needs_one_order_of_classes(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for split in ("train", "test"):
        shutil.copytree(image_folder / split / "cat", other / split / "cat")
        shutil.copytree(image_folder / split / "airplane", other / split / "ship")
    mix = f"data.mix=[{{dataset: {image_folder}}}, {{dataset: {other}}}]"
    command = ("classify", "cnn", "--steps", "1", "--batch-size", "4", "--set", mix, "--out", "c")
    refused = denoise(*command)
    assert refused.returncode == 1
    assert "have other classes (airplane, cat; cat, ship)" in refused.stderr
    assert "data.classes" in refused.stderr
    assert denoise(*command, "--set", "data.classes=[airplane, cat, ship]").returncode == 0


def test_an_interrupted_classifier_says_how_to_resume() -> None:
    assert (
        Interrupted(2, Path("runs/c"), "classify").hint == "Continue with: denoise classify --resume runs/c"
    )
