"""`denoise compare`: the grid, its formats, its training and its errors."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from denoise_cli.evaluation.comparison.differences import differences_to_best
from denoise_cli.evaluation.comparison.results import read_results
from denoise_cli.runs import RunFolder
from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader
from tests.conftest import Command

TRAIN = ("compare", "--train", "--steps", "2", "--set", "train_set=[batch_size=8]", "--format", "json")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with one run's weights, which have learned nothing."""
    architecture = WeightsHeader("denoiser", "cae", True, noise="blind")
    save_weights(tmp_path / "w/cae/last.safetensors", build(architecture), architecture)
    return tmp_path / "w"


@pytest.mark.slow
def test_the_whole_grid_on_a_fresh_machine(denoise: Command) -> None:
    result = denoise("compare", "--all", "--limit", "6", "--json", DENOISE_DATA_DIR="none")
    assert result.returncode == 0, result.stderr
    assert "STL-10 is not on this machine" in result.stderr
    cells = [cell for cell in json.loads(result.stdout)["cells"] if cell["kind"] == "model"]
    assert len({(c["method"], c["batch_norm"], c["noise"]) for c in cells}) == len(cells) == 20
    for cell in cells:
        assert cell["psnr"] is not None, cell["missing"]


def test_a_comparison_is_drawn_again_without_torch(
    denoise: Command, weights: Path, image_folder: Path, tmp_path: Path
) -> None:
    made = denoise(
        "compare", "--models", "cae,cnn", "--weights", weights, "--dataset", image_folder, "-o", "out"
    )
    assert made.returncode == 0, made.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {
        "results.json",
        "tables.md",
        "images.csv",
        "report.html",
        "psnr.png",
        "ssim.png",
        "speed.png",
        "grid-basic.png",
    }
    assert "denoise compare --train --models cnn" in made.stdout
    with (tmp_path / "out/images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    cells = read_results(tmp_path / "out/results.json").cells
    assert [float(row["psnr"]) for row in rows] == [value for cell in cells for value in cell.image_psnr]

    for stored in ("out/results.json", "out"):
        assert denoise("compare", "--from", stored).stdout == made.stdout
    markdown = denoise("compare", "--from", "out/results.json", "--format", "markdown").stdout
    assert markdown == (tmp_path / "out/tables.md").read_text()
    code = (
        "import sys; from denoise_cli.cli.app import app\n"
        "try: app(['compare', '--from', 'out/results.json', '-o', 'again'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    for name in ("results.json", "grid-basic.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_tables_fit_80_columns(denoise: Command, weights: Path, image_folder: Path) -> None:
    arguments = (
        "--weights",
        weights,
        "--dataset",
        image_folder,
        "--baselines",
        "--noise",
        "basic,0.1,awgn:25",
    )
    result = denoise("compare", "--all", "--models", "cae,resnet_unet", *arguments, COLUMNS="80")
    assert result.returncode == 0, result.stderr
    table_lines = [line for line in result.stdout.splitlines() if line[:1] in "┃│┏└"]
    assert table_lines
    assert max(map(len, table_lines)) <= 80
    assert "…" not in "".join(table_lines)
    assert "gaussian:0.1" in result.stdout


def test_a_grid_is_trained_once_and_a_failure_stops_only_its_cell(
    denoise: Command, image_folder: Path, tmp_path: Path
) -> None:
    arguments = (*TRAIN, "--models", "cae,cnn_unet", "--noise", "basic", "--dataset", image_folder)
    # A file lies where the run of `cae` should be.
    blocked = tmp_path / "runs/study-images/cae-images-basic-bn-s0"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    first = denoise(*arguments)
    assert first.returncode == 1
    assert "1 cell could not be trained" in first.stderr
    cells = {cell["method"]: cell for cell in json.loads(first.stdout)["cells"]}
    assert "is not a run folder" in cells["cae"]["missing"]
    assert cells["cnn_unet"]["psnr"] is not None
    assert (blocked.parent / "classifier-cnn-images-basic-bn-s0/last.safetensors").is_file()

    blocked.unlink()
    second = denoise(*arguments)
    assert second.returncode == 0, second.stderr
    assert "Run 1 of 1:" in second.stderr
    third = denoise(*arguments)
    assert third.returncode == 0, third.stderr
    assert "Run 1" not in third.stderr
    assert {cell["psnr"] for cell in json.loads(third.stdout)["cells"]} == {
        cell["psnr"] for cell in json.loads(second.stdout)["cells"]
    }


@pytest.mark.slow
def test_an_interrupted_grid_goes_on_where_it_was(
    denoise: Command, image_folder: Path, tmp_path: Path
) -> None:
    arguments = [*TRAIN, "--models", "cae", "--noise", "basic,0.1", "--dataset", str(image_folder)]
    arguments[arguments.index("--steps") + 1] = "60"
    process = subprocess.Popen(
        [sys.executable, "-m", "denoise_cli", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process:
        while "epoch" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "Give the same command again to go on." in rest
    runs = tmp_path / "runs/study-images"
    stopped = RunFolder(runs / "cae-images-basic-bn-s0").events()[-1]
    assert stopped["event"] == "interrupted"
    assert stopped["step"] < 60

    again = denoise(*arguments)
    assert again.returncode == 0, again.stderr
    assert "Run 1 of 2: runs/study-images/cae-images-basic-bn-s0, continued" in again.stderr
    assert all(RunFolder(folder).is_finished for folder in runs.iterdir())
    assert all(cell["psnr"] is not None for cell in json.loads(again.stdout)["cells"])


def test_errors_name_the_way_out(denoise: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "small").mkdir()
    Image.new("RGB", (8, 40)).save(tmp_path / "small/tiny.png")
    (tmp_path / "mixed").mkdir()
    Image.new("L", (32, 32)).save(tmp_path / "mixed/grey.png")
    Image.new("RGB", (32, 32), "red").save(tmp_path / "mixed/red.png")
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "taken.md").write_text("mine")
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("--models", "unett"), 2, "Did you mean 'unet'?"),
        (("--models", ","), 2, "`models` is empty"),
        (("--noise", "strong"), 2, "Unknown noise 'strong'"),
        (("--weights", "empty"), 1, "empty holds no finished runs"),
        (("--dataset", "empty"), 1, "No images in empty"),
        (("--dataset", "small"), 1, "tiny.png has 8x40 pixels"),
        (("--dataset", "mixed", "--benchmark", "awgn"), 1, "mixes 1 grey image with 1 colour image"),
        (("--benchmark", "awgn", "--noise", "basic"), 2, "unclipped noise only"),
        (("--from", "other.json"), 1, "does not hold the results of a comparison"),
        (("--from", "nothing.json"), 1, "no file nothing.json"),
        (("--from", "empty"), 1, "no file empty/results.json"),
        (("--from", ""), 2, "--from is empty"),
        (("-o", "taken.md"), 1, "taken.md exists already."),
        (("-o", "report.pdf"), 2, "report.pdf has no ending"),
        (("-o", "report.html", "--format", "json"), 2, "does not fit"),
        (("--set", "recipe=nowhere", "--train"), 2, "There is no recipe nowhere/"),
    ]
    for arguments, code, text in cases:
        result = denoise("compare", *arguments)
        assert (result.returncode, text in result.stderr) == (code, True), (arguments, result.stderr)
    assert denoise("compare", "--models", "unett", "-o", "new").returncode == 2
    assert not (tmp_path / "new").exists()


def test_pictures_without_noise_have_no_finite_psnr(
    denoise: Command, weights: Path, image_folder: Path, tmp_path: Path
) -> None:
    data = ("--weights", weights, "--dataset", image_folder)
    made = denoise("compare", "--models", "cae", "--noise", "0,0.1", *data, "-o", "r.json")
    assert made.returncode == 0, made.stderr
    assert "nan" not in made.stdout
    results = read_results(tmp_path / "r.json")
    noisy = results.cell("noisy input", True, "gaussian:0")
    assert noisy is not None
    assert (noisy.psnr, noisy.psnr_left_out) == (None, 8)
    assert "noisy input under gaussian:0: 8 images without a finite PSNR" in made.stdout
    # The best of those that have a score.
    assert differences_to_best(results, True, "gaussian:0")["cae"].is_best
    assert differences_to_best(results, True, "gaussian:0.1")["noisy input"].is_best
    again = denoise("compare", "--from", "r.json")
    assert again.returncode == 0, again.stderr
    assert again.stdout == made.stdout


def test_a_noise_has_one_name(denoise: Command, image_folder: Path) -> None:
    train = ("train", "cae", "--steps", "1", "--batch-size", "4", "--noise", "Gaussian:0.1", "--out", "r/a")
    assert denoise(*train, "--dataset", image_folder).returncode == 0
    score = ("compare", "--models", "cae", "--noise", "0.1", "--weights", "r", "--format", "json")
    made = denoise(*score, "--dataset", image_folder)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["cells"][-1]["psnr"] is not None


def test_the_classifiers_that_guide_are_scored(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    """As `denoise classify` scores them; a second time from the cache."""
    made = denoise(*TRAIN, "--models", "cnn_unet", "--noise", "basic", "--dataset", image_folder, "-o", "out")
    assert made.returncode == 0, made.stderr
    (guide,) = read_results(tmp_path / "out/results.json").classifiers
    assert (guide.name, guide.batch_norm, guide.noise, guide.seed) == ("cnn", True, "basic", 0)
    weights = ("--weights", guide.weights, "--dataset", image_folder, "--noise", "basic")
    alone = json.loads(denoise("classify", "--eval-only", *weights, "--json", "-o", "c").stdout)
    assert alone["accuracy"]["noisy"]["mean"] == guide.accuracy
    assert tuple(alone["accuracy"]["noisy"]["interval"]) == guide.interval
    assert "| cnn, basic, BN on | " in (tmp_path / "out/tables.md").read_text()
    (tmp_path / "out/results.json").unlink()
    again = denoise(
        *TRAIN, "--models", "cnn_unet", "--noise", "basic", "--dataset", image_folder, "-o", "out"
    )
    assert again.returncode == 0, again.stderr
    assert read_results(tmp_path / "out/results.json").classifiers == (guide,)


def test_an_output_that_ends_in_a_slash_is_a_folder(
    denoise: Command, weights: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = ("compare", "--models", "cae", "--weights", weights, "--dataset", image_folder, "-o", "new.d/")
    assert denoise(*command, "--noise", "unknown").returncode == 2
    assert not (tmp_path / "new.d").exists()
    made = denoise(*command)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "new.d/results.json").is_file()
