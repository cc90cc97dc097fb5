"""`denoise train`, `test`, `runs` and `models` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.conftest import Command

QUICK = ("--epochs", "1", "--batch-size", "8")


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_run_can_be_tested_listed_and_used(
    denoise_process: Command, image_folder: Path, tmp_path: Path
) -> None:
    done = denoise_process("train", "cae", "--dataset", image_folder, *QUICK, "--seed", "3")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "cae-images-basic-bn-s3"
    assert {path.name for path in run.iterdir()} == {
        "card.json",
        "config.yaml",
        "metrics.csv",
        "metrics.jsonl",
        "last.safetensors",
        "best.safetensors",
        "checkpoints",
        "curve.png",
        "samples",
    }
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert (resolved["model"], resolved["seed"], resolved["optim"]["lr"]) == ("cae", 3, 0.001)
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["event"] for row in events][-2:] == ["validation", "done"]
    assert size_of(run / "curve.png")[0] > 300

    done = denoise_process(
        "test", "--weights", run, "--dataset", image_folder, "--noise", "intense", "--json"
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["model"], row["noise"], row["n"]) == ("cae", "intense", 8)
    assert row["psnr_interval"][0] <= row["psnr"] <= row["psnr_interval"][1]
    folder = tmp_path / "results" / f"cae-images-intense-bn-{run.name}"
    scores = json.loads((folder / "scores.json").read_text())
    assert len(scores["per_image"]["psnr"]) == len(scores["images"]) == 8
    assert sum(scores["per_image"]["psnr"]) / 8 == pytest.approx(row["psnr"], abs=1e-5)
    assert size_of(folder / "pictures.png")[0] > 3 * 32

    listed = json.loads(denoise_process("runs", "--json").stdout)
    assert [(r["run"], r["status"]) for r in listed] == [("runs/cae-images-basic-bn-s3", "finished")]
    weights = json.loads(denoise_process("models", "--json").stdout)["weights"]
    assert "runs/cae-images-basic-bn-s3" in [w["name"] for w in weights]

    photo = tmp_path / "photo.png"
    Image.new("RGB", (50, 41), (90, 120, 60)).save(photo)
    done = denoise_process("denoise-image", photo, "--weights", run)
    assert done.returncode == 0, done.stderr
    assert size_of(tmp_path / "photo.denoised.png") == (50, 41)


def test_the_resolved_config_makes_the_same_run(
    denoise: Command, denoise_process: Command, image_folder: Path, tmp_path: Path
) -> None:
    """The second time in this process: what ran here before leaves no trace in the weights."""
    first, second = tmp_path / "first", tmp_path / "second"
    keys = ("--set", "precision=fp32", "--set", "data.rotate=true")
    done = denoise_process("train", "cae", "--dataset", image_folder, *QUICK, *keys, "--out", first)
    assert done.returncode == 0, done.stderr
    assert denoise("train", "--config", first / "config.yaml", "--out", second).returncode == 0
    assert (first / "last.safetensors").read_bytes() == (second / "last.safetensors").read_bytes()


def test_a_guided_model_takes_a_classifier(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    done = denoise("classify", "resnet", "--dataset", image_folder, *QUICK, "--out", tmp_path / "classifier")
    assert done.returncode == 0, done.stderr
    guided = ("train", "resnet_unet", "--dataset", image_folder, *QUICK, "--out", tmp_path / "guided")
    done = denoise(*guided, "--classifier", tmp_path / "classifier")
    assert done.returncode == 0, done.stderr
    done = denoise("test", "--weights", tmp_path / "guided", "--dataset", image_folder, "--json")
    assert json.loads(done.stdout)["model"] == "resnet_unet"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("train", "unnet", "--dataset", "sample"), 2, "Did you mean 'unet'"),
        (("train",), 2, "model is missing"),
        (("train", "unet", "--dataset", "nowhere"), 1, "no data set or folder 'nowhere'"),
        (("train", "unet", "--noise", "lots"), 2, "Unknown noise 'lots'"),
        (("train", "unet", "--set", "optim.lrr=1"), 2, "Did you mean optim.lr?"),
        (("train", "unet", "--config", "absent"), 2, "There is no config 'absent'"),
        (("train", "unet", "--device", "tpu:0"), 2, "device"),
        (("train", "unet", "--epochs", "1", "--steps", "1"), 2, "Both `epochs` and `steps`"),
        (("train", "--resume", "absent"), 2, "absent"),
        (("test", "unet", "--weights", "absent"), 1, "no weight file or run folder absent"),
        (("test", "unet", "--protocol", "journal"), 2, "protocol"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    denoise: Command, tmp_path: Path, args: tuple[str, ...], code: int, message: str
) -> None:
    done = denoise(*args)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_an_output_that_cannot_be_written(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = denoise("train", "cae", "--dataset", image_folder, *QUICK, "--out", blocked / "run")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(blocked) in done.stderr
    done = denoise("train", "cae", "--dataset", image_folder, *QUICK, "--out", blocked, "--overwrite")
    assert done.returncode == 1
    assert blocked.read_text() == "not a folder"


def test_a_classifier_of_other_classes_is_refused(denoise: Command, tmp_path: Path) -> None:
    from denoise_cli.data.classes import CLASSES

    for name in ("frog", "truck"):
        folder = tmp_path / "toads" / name
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (32, 32), (number, 9, 9)).save(folder / f"{number}.png")
    assert "frog" not in CLASSES["stl10"]
    done = denoise("train", "cnn_unet", "--dataset", tmp_path / "toads", *QUICK)
    assert done.returncode == 1
    assert "frog" in done.stderr
    assert "denoise classify cnn" in done.stderr


def test_a_loss_that_is_not_finite_stops_the_run(
    denoise: Command, image_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    base = ("--dataset", image_folder, "--batch-size", "8", "--no-batchnorm", "--set", "precision=fp32")
    assert denoise("train", "cae", *base, "--steps", "3", "--out", out).returncode == 0
    kept = (out / "last.safetensors").read_bytes()
    done = denoise("train", "--resume", out, "--steps", "60", "--set", "optim.lr=1e30")
    assert done.returncode == 1
    assert "not finite" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "checkpoints" / "step-00000003.pt").is_file()
    assert (out / "last.safetensors").read_bytes() == kept


def test_a_damaged_image_is_named_and_left_out(denoise: Command, image_folder: Path) -> None:
    (image_folder / "train" / "cat" / "broken.png").write_bytes(b"this is text")
    done = denoise("train", "cae", "--dataset", image_folder, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "broken.png" in done.stderr


def test_scores_without_noise_are_valid_json(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    done = denoise("test", "cae", "--noise", "gaussian:0", "--dataset", image_folder, "--out", "scores")
    assert done.returncode == 0, done.stderr

    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = (tmp_path / "scores" / "scores.json").read_text()
    assert json.loads(text, parse_constant=refuse)["noisy_psnr"] is None


def test_what_cannot_be_scored_is_told(denoise: Command, image_folder: Path, tmp_path: Path) -> None:
    bad = next((image_folder / "test").rglob("*.png")).with_name("bad.png")
    bad.write_bytes(b"no picture")
    score = ("test", "cae", "--dataset", image_folder)
    done = denoise(*score, "--json")
    assert "1 file was left out" in done.stderr
    assert len(json.loads(done.stdout)["skipped"]) == 1
    Image.new("RGB", (5, 5)).save(bad)
    done = denoise(*score)
    assert done.returncode == 1
    assert "bad.png has 5x5 pixels" in done.stderr


def test_a_place_that_cannot_be_written_is_found_before_the_work(
    denoise: Command, image_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("mine")
    for command in (("test", "cae", "--out"), ("compare", "--models", "cae", "-o")):
        for name, code, said in (
            ("plain", 2, "plain is a file, and a folder is needed"),
            ("plain/below", 1, "plain"),
            ("", 2, "is empty"),
        ):
            done = denoise(*command, name, "--dataset", image_folder)
            assert (done.returncode, said in done.stderr) == (code, True), done.stderr
            assert "Scoring" not in done.stderr
    done = denoise("test", "cae", "-o", "x.json", "--dataset", image_folder)
    assert done.returncode == 2 and "A test writes a folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path != image_folder] == ["plain"]
    assert (tmp_path / "plain").read_text() == "mine"


def test_one_unreadable_run_hides_no_other_weights(denoise: Command, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "broken"
    run.mkdir(parents=True)
    (run / "last.safetensors").write_bytes(b"half")
    done = denoise("models")
    assert done.returncode == 0, done.stderr
    assert "unreadable" in done.stdout
    assert "photo_unet" in done.stdout


def test_resume_names_what_is_wrong(denoise: Command, tmp_path: Path) -> None:
    for args, reason in (
        (("--resume", "nope"), "There is no run folder nope"),
        (("--resume", "nope", "--out", "other"), "in its own folder"),
    ):
        for command in ("train", "classify"):
            done = denoise(command, *args)
            assert done.returncode == 2
            assert reason in done.stderr
    assert "There is no folder nope" in denoise("runs", "nope").stderr


def test_going_on_and_replacing_exclude_each_other(denoise: Command, image_folder: Path) -> None:
    assert denoise("train", "cae", "--dataset", image_folder, "--steps", "1", "-o", "a").returncode == 0
    done = denoise("train", "--resume", "a", "--overwrite")
    assert done.returncode == 2 and "exclude each other" in done.stderr


def test_a_run_goes_on_as_what_it_is(denoise: Command, image_folder: Path) -> None:
    """Also where denoiser and classifier have one name."""
    assert denoise("train", "cnn", "--dataset", image_folder, "--steps", "1", "-o", "d").returncode == 0
    made = denoise("classify", "cnn", "--dataset", image_folder, "--steps", "1", "-o", "c")
    assert made.returncode == 0, made.stderr
    for wrong, right, run, what in (
        ("train", "classify", "c", "classifier"),
        ("classify", "train", "d", "denoiser"),
    ):
        done = denoise(wrong, "--resume", run)
        assert done.returncode == 2 and f"{run} is the run of a {what}." in done.stderr, done.stderr
        assert f"denoise {right} --resume {run}" in done.stderr
        assert denoise(right, "--resume", run).returncode == 0
