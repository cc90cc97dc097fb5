"""Pairs of pictures as a user trains, tests and compares on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from denoise_cli.models.registry import DENOISERS
from tests.conftest import Command

QUICK = ("--steps", "2", "--batch-size", "4")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """`train/` with three pairs and `test/` with two."""
    root = tmp_path / "pairs"
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 2)):
        for half in ("noisy", "clean"):
            (root / split / half).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(20, 236, (4, 4, 3), dtype=np.uint8))
            clean = np.asarray(coarse.resize((48, 40), Image.Resampling.BICUBIC))
            noisy = (clean + rng.normal(2, 8, clean.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(clean).save(root / split / f"clean/{number}.png")
            Image.fromarray(noisy).save(root / split / f"noisy/{number}.png")
    return root


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")) / 255


def test_a_run_on_pairs_is_trained_and_tested(denoise: Command, pairs: Path, tmp_path: Path) -> None:
    done = denoise("train", "photo_unet", "--dataset", pairs, *QUICK)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/photo_unet-pairs-real-s0"
    assert (run / "last.safetensors").is_file()
    next_one = f"Next: denoise test --weights {run.relative_to(tmp_path)} --dataset {pairs}"
    assert done.stderr.splitlines()[-1] == next_one
    other = denoise("train", "photo_unet", "--dataset", pairs, *QUICK, "--noise", "basic")
    assert other.stderr.splitlines()[-1] == f"{next_one.replace('real', 'basic')} --noise basic"
    done = denoise("test", "--weights", run, "--dataset", pairs, "--json")
    assert done.returncode == 0, done.stderr
    row = strict(done.stdout)
    assert (row["noise"], row["n"], row["trained_on"]) == ("real", 2, "real")
    folder = tmp_path / f"results/photo_unet-pairs-real-{run.name}"
    scores = strict((folder / "scores.json").read_text())
    with Image.open(folder / "pictures.png") as sheet:
        assert sheet.size[0] > 3 * 48
    for number in range(2):
        clean, noisy = (read(pairs / f"test/{half}/{number}.png") for half in ("clean", "noisy"))
        expected = peak_signal_noise_ratio(clean, noisy, data_range=1)
        assert scores["per_image"]["noisy_psnr"][number] == pytest.approx(expected, abs=1e-3)
        expected = structural_similarity(
            clean,
            noisy,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
        assert scores["per_image"]["noisy_ssim"][number] == pytest.approx(expected, abs=1e-4)


def test_the_benchmark_end_to_end(denoise: Command, pairs: Path, tmp_path: Path) -> None:
    arguments = ("compare", "--benchmark", "real", "--dataset", pairs)
    done = denoise(*arguments, "-o", "out")
    assert done.returncode == 0, done.stderr
    found = strict((tmp_path / "out/results.json").read_text())
    assert found["benchmark"] == "real"
    cells = found["cells"]
    assert {cell["noise"] for cell in cells} == {"real"}
    assert [cell["method"] for cell in cells if cell["kind"] == "model"] == list(DENOISERS)
    assert {"gaussian", "median", "bilateral", "tv", "wavelet", "nlm"} <= {cell["method"] for cell in cells}
    for cell in cells:
        assert cell["missing"] == ""
        assert cell["psnr_interval"][0] <= cell["psnr"] <= cell["psnr_interval"][1]
        assert cell["ssim_interval"][0] <= cell["ssim"] <= cell["ssim_interval"][1]
        assert bool(cell["settings"]) == (cell["kind"] == "classical")
    noisy = next(cell for cell in cells if cell["kind"] == "input")
    expected = [
        peak_signal_noise_ratio(*(read(pairs / f"test/{half}/{n}.png") for half in ("clean", "noisy")))
        for n in range(2)
    ]
    assert noisy["image_psnr"] == pytest.approx(expected, abs=1e-3)
    notes = " ".join(found["notes"])
    assert "3 train pairs" in notes and "STL-10" not in notes
    assert {"report.html", "grid-real.png", "results.json"} <= {p.name for p in (tmp_path / "out").iterdir()}
    again = denoise("compare", "--from", "out/results.json")
    assert again.returncode == 0, again.stderr
    assert "photo_unet" in again.stdout and "real" in again.stdout


def test_a_comparison_takes_the_noise_of_the_pairs(denoise: Command, pairs: Path) -> None:
    score = ("compare", "--models", "cae", "--dataset", pairs, "--format", "json")
    for more, noises in (((), {"real"}), (("--noise", "basic,real"), {"basic", "real"})):
        done = denoise(*score, *more)
        assert done.returncode == 0, done.stderr
        cells = strict(done.stdout)["cells"]
        assert {cell["noise"] for cell in cells} == noises
        noisy = {cell["noise"]: cell["psnr"] for cell in cells if cell["kind"] == "input"}
        assert 27 < noisy["real"] < 32
        assert noisy.get("basic", 14) < 17


def test_a_grid_is_trained_on_pairs(denoise: Command, pairs: Path) -> None:
    train = ("compare", "--train", "--models", "cae,resnet_unet", "--dataset", pairs, "--steps", "2")
    done = denoise(*train, "--set", "train_set=[batch_size=4]", "--format", "json")
    # Pairs have no classes, so the guided network's classifier cannot be trained.
    assert done.returncode == 1, done.stderr
    cells = {cell["method"]: cell for cell in strict(done.stdout)["cells"]}
    assert cells["cae"]["runs"][0]["trained_on"] == "real"
    assert "no class folders" in cells["resnet_unet"]["missing"]


def test_pictures_without_partners_are_named(denoise: Command, pairs: Path) -> None:
    for split in ("train", "test"):
        shutil.copy(pairs / split / "clean/0.png", pairs / split / "clean/lonely.png")
    for command in (("train", "cae", *QUICK), ("test", "cae"), ("compare", "--models", "cae")):
        done = denoise(*command, "--dataset", pairs)
        assert done.returncode == 0, done.stderr
        assert "1 file was left out" in done.stderr + done.stdout
        assert "clean/lonely.png: no noisy picture of this name" in done.stderr + done.stdout


def test_one_pair_is_enough(denoise: Command, pairs: Path) -> None:
    for split in ("train", "test"):
        for number in range(1, 3):
            for half in ("noisy", "clean"):
                (pairs / split / half / f"{number}.png").unlink(missing_ok=True)
    # The crops are larger than the picture.
    done = denoise("train", "cae", "--dataset", pairs, *QUICK, "--set", "data.crop=64")
    assert done.returncode == 0, done.stderr
    done = denoise("test", "cae", "--dataset", pairs, "--json")
    assert done.returncode == 0, done.stderr
    assert strict(done.stdout)["n"] == 1


def test_errors_are_one_sentence(denoise: Command, pairs: Path, image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(pairs / "train/noisy", tmp_path / "half/noisy")
    shutil.copytree(pairs / "train/noisy", tmp_path / "apart/noisy")
    for path in (pairs / "train/clean").iterdir():
        (tmp_path / "apart/clean").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "apart/clean" / f"other-{path.name}")
    own, plain = str(pairs), str(image_folder)
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("test", "cae", "--dataset", "half"), 1, "half has noisy/, but no clean/"),
        (("train", "cae", "--dataset", "half"), 1, "half has noisy/, but no clean/"),
        (("compare", "--benchmark", "real", "--dataset", "half"), 1, "half has noisy/, but no clean/"),
        (("test", "cae", "--dataset", "apart"), 1, "holds no pair of a noisy and a clean picture"),
        (("train", "cae", "--dataset", "apart"), 1, "noisy/0.png: no clean picture of this name"),
        (("compare", "--benchmark", "real", "--dataset", plain), 1, "holds no pairs"),
        (("compare", "--benchmark", "real"), 1, "noisy pictures into noisy/ and clean ones into clean/"),
        (("compare", "--benchmark", "real", "--dataset", "absent"), 1, "no data set or folder 'absent'"),
        (("compare", "--benchmark", "real", "--dataset", own, "--noise", "basic"), 2, "Leave --noise out"),
        (("compare", "--benchmark", "reel", "--dataset", own), 2, "benchmark"),
        (("compare", "--noise", "real", "--dataset", plain), 1, "so it has no `real` noise"),
        (("compare", "--noise", "real+basic", "--dataset", own), 2, "cannot be mixed by name"),
        (("compare", "--guidance", "all", "--noise", "real", "--dataset", own), 2, "not under `real`"),
        (("compare", "--guidance", "all", "--dataset", own), 1, "holds pairs, but guidance"),
        (("test", "cae", "--noise", "real", "--dataset", plain), 1, "so it has no `real` noise"),
        (("test", "cae", "--noise", "real+basic", "--dataset", own), 2, "cannot be mixed by name"),
        (("train", "cae", "--noise", "real", "--dataset", plain), 1, "so it has no `real` noise"),
        (("classify", "cnn", "--noise", "real", "--dataset", plain), 1, "so it has no `real` noise"),
        (("classify", "cnn", "--dataset", own), 1, "has no class folders"),
        (("classify", "cnn", "--eval-only", "--dataset", own), 1, "has no class folders"),
        (("classify", "cnn", "--eval-only", "--noise", "real", "--dataset", plain), 1, "`real`"),
    ]
    for arguments, code, text in cases:
        result = denoise(*arguments)
        assert (result.returncode, text in result.stderr) == (code, True), (arguments, result.stderr)
