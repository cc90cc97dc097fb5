"""One grammar for all commands: what an option is called, what help says of it, and which values it takes."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from denoise_cli.cli.app import app, command_function
from denoise_cli.cli.front_door import with_command
from denoise_cli.config import (
    ClassifyConfig,
    CompareConfig,
    DenoiseConfig,
    Section,
    TestConfig,
    TrainConfig,
    load_config,
)
from denoise_cli.weights.store import find_bundled, label_of

CONFIGS: dict[str, type[Section]] = {
    "train": TrainConfig,
    "test": TestConfig,
    "classify": ClassifyConfig,
    "compare": CompareConfig,
    "denoise-image": DenoiseConfig,
    "export": DenoiseConfig,
    "serve": DenoiseConfig,
}
# Options that are called otherwise than their key, and those that are of no config.
KEYS = {"batchnorm": "batch_norm", "seeds": "train_seeds", "lr": "optim.lr", "output": "out"}
OWN = {
    "train": {"named", "config", "set", "resume", "overwrite"},
    "test": {"named", "config", "set", "format", "json", "overwrite"},
    "classify": {
        *("named", "config", "set", "resume", "overwrite", "format", "json"),
        *("eval_only", "image", "weights", "denoiser"),
    },
    "compare": {
        *("everything", "batchnorm", "config", "set", "from_", "format", "json", "overwrite", "output"),
        "dry_run",
    },
    "denoise-image": {"paths", "detail", "reference", "side_by_side", "config", "set", "json"},
    "export": {"model", "named", "weights", "output", "format", "opset", "half", "overwrite"},
    "serve": {"port", "open", "max_megabytes"},
}


def options_of(command: str) -> dict[str, Any]:
    """What typer is told of each parameter of a command."""
    hints = typing.get_type_hints(command_function(command), include_extras=True)
    return {name: typing.get_args(hint)[-1] for name, hint in hints.items() if name != "return"}


def field_key(config: type[Section], name: str) -> str:
    """The config key of a parameter."""
    key = KEYS.get(name, name)
    if key == "out" and "out" not in config.model_fields:
        return "output"
    return key if key.partition(".")[0] in config.model_fields else f"data.{key}"


@pytest.mark.parametrize("command", CONFIGS)
def test_help_is_that_of_the_commands_own_config(command: str) -> None:
    config, found = CONFIGS[command], options_of(command)
    assert OWN[command] <= set(found), "an option of no config is gone"
    for name, option in found.items():
        if name in OWN[command]:
            assert option.help or option.hidden, name
            continue
        field = config.field_of(field_key(config, name))
        description = " ".join((field.description or "").split())
        assert option.help.startswith(description.rpartition("(default")[0] or description.removesuffix("."))
        default = field.get_default()
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert f"default: {default:g}" in option.help, name
        if isinstance(default, str):
            assert f"default: {default})" in option.help, name


def _names(option: Any) -> set[str]:
    # In an annotation, typer takes the first name for the default.
    return {option.default, *option.param_decls}


def test_a_command_describes_its_own_seed() -> None:
    printed = CliRunner().invoke(app, ["test", "--help"], env={"COLUMNS": "200"}).stdout
    assert "Seed of the test noise" in printed
    assert "augmentation" not in printed


def test_every_result_goes_where_output_says() -> None:
    for command in CONFIGS.keys() - {"serve"}:  # The browser asks where to.
        assert {"--output", "-o"} <= _names(options_of(command)["output"]), command


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["train", "unet", "--model", "U_Net", "--epochs", "1", "--steps", "1"], "Both `epochs` and `steps`"),
        (["train", "unet", "--model", "cae"], "Two models are given"),
        (["train", "--model", "unet", "--out", "x", "--resume", "y"], "--resume continues a run"),
        (["train", "unet", "--batch_size", "0"], "batch"),
        (["train", "unet", "--no_batchnorm", "--batch_size=8", "--noise", "lots"], "Unknown noise"),
        (["export", "unet", "--model", "cae"], "Two models are given"),
        (["test", "--model", "unnet"], "Did you mean 'unet'"),
    ],
)
def test_earlier_and_other_spellings(written: list[str], message: str) -> None:
    result = CliRunner().invoke(app, written)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["photo.PNG", "--overwrite"], ["denoise-image", "photo.PNG", "--overwrite"]),
        (["-o", "b.png", "a.jpg"], ["denoise-image", "-o", "b.png", "a.jpg"]),
        (["-"], ["denoise-image", "-"]),
        (["image", "x.jpg"], ["denoise-image", "x.jpg"]),
        (["denoise_image", "x.jpg"], ["denoise-image", "x.jpg"]),
        (["help"], ["--help"]),
        (["help", "train"], ["train", "--help"]),
        (["help", "image"], ["denoise-image", "--help"]),
        (["version"], ["--version"]),
        (["Test", "unet"], ["test", "unet"]),
        (["--version"], ["--version"]),
        ([], []),
    ],
)
def test_the_front_door(written: list[str], meant: list[str]) -> None:
    assert with_command(written, CONFIGS) == meant


def test_an_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(app, ["trian", "unet"])
    assert result.exit_code == 2
    assert "Did you mean 'train'?" in result.stderr


def test_help_and_version_are_commands_too() -> None:
    assert CliRunner().invoke(app, ["help", "runs"]).stdout == CliRunner().invoke(app, ["runs", "-h"]).stdout
    version = CliRunner().invoke(app, ["version"])
    assert (version.exit_code, version.stdout) == (0, CliRunner().invoke(app, ["--version"]).stdout)


@pytest.mark.parametrize(
    ("config", "key", "written", "held"),
    [
        (DenoiseConfig, "format", "JPG", "jpeg"),
        (DenoiseConfig, "format", ".tif", "tiff"),
        (DenoiseConfig, "format", "heif", "heic"),
        (DenoiseConfig, "bits", "16", 16),
        (DenoiseConfig, "device", "CUDA0", "cuda:0"),
        (DenoiseConfig, "device", "gpu:1", "cuda:1"),
        (DenoiseConfig, "device", "GPU", "gpu"),
        (DenoiseConfig, "tile", "Exact", "exact"),
        (DenoiseConfig, "model", "Photo-UNet", "photo_unet"),
        (DenoiseConfig, "strength", "0.5", 0.5),
        (TestConfig, "model", "U-Net", "unet"),
        (TestConfig, "protocol", "Paper", "paper"),
        (TestConfig, "data.dataset", "STL-10", "stl10"),
        (TestConfig, "data.dataset", "CIFAR_10", "cifar10"),
        (TestConfig, "data.dataset", "Photos/STL-10", "Photos/STL-10"),
        (ClassifyConfig, "precision", "BFloat16", "bf16"),
        (ClassifyConfig, "compile", True, "on"),
        (CompareConfig, "guidance", "Zero, ORACLE", ("none", "zero", "oracle")),
        (CompareConfig, "train_seeds", "2", (0, 1)),
    ],
)
def test_usual_spellings_mean_the_same(config: type[Section], key: str, written: Any, held: Any) -> None:
    flags = {"model": "cnn"} if config is ClassifyConfig else {}
    value: Any = load_config(config, None, [], {**flags, key: written})
    for part in key.split("."):
        value = getattr(value, part)
    assert value == held


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (["train", "unet", "--epochs", "many"], "--epochs must be a number above 0, not 'many'."),
        (["train", "unet", "--batch_size", "0"], "--batch-size must be a whole number above 0, not '0'."),
        (["train", "unet", "--seed", "1.5"], "--seed must be a whole number, 0 or more, not '1.5'."),
        (["train", "unet", "--set", "data=3"], "data in --set must be a section of keys and values, not 3."),
        (
            ["train", "unet", "--set", "optim.lr=x"],
            "optim.lr in --set must be a number above 0, not 'x'.",
        ),
        (
            ["train", "unet", "--set", "data.flip=x"],
            "data.flip in --set must be true or false, not 'x'.",
        ),
        (["train", "unet", "--compile", "onn"], "--compile must be auto, on or off, not 'onn'."),
        (["test", "--limit", "-3"], "--limit must be a whole number above 0, not '-3'."),
        (
            ["test", "--protocol", "papr"],
            "must be image or paper, not 'papr'.\nDid you mean 'paper'?",
        ),
        (["test", "--device", "cudda"], "Unknown device 'cudda'. Did you mean 'cuda'?"),
        (["denoise-image", "a.png", "--tile", "big"], "tile must be auto, exact or a whole number of pixels"),
        (
            ["denoise-image", "a.png", "--quality", "101"],
            "quality must be a whole number, 1 to 100, not '101'.",
        ),
        (["denoise-image", "a.png", "--bits", "9"], "--bits must be 8, 10, 12, 16 or 32, not '9'."),
        (["denoise-image", "a.png", "--format", "pgn"], "Did you mean 'png'?"),
        (["compare", "--seeds", "a,b"], "--seeds must be a whole number, not 'a'."),
        (["compare", "--format", "excel"], "Unknown format 'excel'."),
        (["test", "--json", "--format", "table"], "contradict each other"),
    ],
)
def test_wrong_values_are_told_in_our_words(written: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, written)
    assert result.exit_code == 2, result.stderr
    assert sentence in result.stderr
    assert "nput should" not in result.stderr


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (["compare", "--seeds", "2"], "--seeds has no effect without --train."),
        (["compare", "--epochs", "2", "--injection", "film"], "--epochs has no effect without --train."),
        (["compare", "--injection", "film"], "--injection has no effect without --guidance."),
        (["compare", "--from", "r.json", "--models", "cae"], "--models has no effect with --from."),
        (["train", "unet", "--classifier", "r"], "--classifier has no effect on unet"),
        (["classify", "cnn", "--eval-only", "--lr", "1", "--steps", "1"], "--steps, --lr have no effect"),
        (["classify", "--image", "a.png", "--denoiser", "d"], "--denoiser has no effect with --image"),
        (["photo.png", "--quality", "90"], "--quality has no effect on PNG files."),
    ],
)
def test_an_option_without_effect_is_an_error(
    written: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("photo.png")
    result = CliRunner().invoke(app, written)
    assert (result.exit_code, sentence in result.stderr) == (2, True), result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_card_shows_all_that_is_known() -> None:
    shown = CliRunner().invoke(app, ["models", "UNet-BN"], env={"COLUMNS": "80"}).stdout
    card = json.loads(CliRunner().invoke(app, ["models", "unet-bn", "--format", "json"]).stdout)
    stored = json.loads(find_bundled("unet", True).with_suffix(".json").read_text())
    assert stored.items() <= card.items()
    assert f"{stored['parameters']:,}" in shown
    assert all(f" {row['psnr']:.2f} " in shown for row in stored["scores"])
    assert "Did you mean 'unet-bn'?" in CliRunner().invoke(app, ["models", "unet-bm"]).stderr


def test_shells_complete_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/config.yaml").touch()
    for line, value in (
        ("denoise test photo", "photo_unet"),
        ("denoise classify res", "resnet"),
        ("denoise train --dataset stl", "stl10"),
        ("denoise train --noise cam", "camera"),
        ("denoise train --config weights/un", "weights/unet"),
        ("denoise train --resume runs/", "runs/mine"),
        ("denoise test --weights photo", "photo_unet"),
    ):
        words = {"_DENOISE_COMPLETE": "complete_bash", "COMP_WORDS": line}
        done = CliRunner().invoke(
            app, prog_name="denoise", env={**words, "COMP_CWORD": str(len(line.split()) - 1)}
        )
        assert value in done.stdout.split(), line


def test_scores_are_replaced_by_their_own_command_alone(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["test", "cae", "--dataset", str(image_folder), "--limit", "2"]
    invoke = CliRunner().invoke
    assert invoke(app, [*command, "-o", "mine"]).exit_code == 0
    kept = (tmp_path / "mine/scores.json").read_bytes()
    assert invoke(app, [*command, "-o", "mine", "--format", "JSON"]).exit_code == 0
    refused = invoke(app, [*command, "-o", "mine", "--seed", "1"])
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert json.loads((tmp_path / "mine/scores.json").read_text())["psnr"] == json.loads(kept)["psnr"]
    assert invoke(app, [*command, "-o", "mine", "--seed", "1", "--overwrite"]).exit_code == 0
    assert json.loads((tmp_path / "mine/scores.json").read_text())["seed"] == 1


def test_a_comparison_is_replaced_by_its_own_command_alone(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [
        "compare",
        "--models",
        "cae",
        "--noise",
        "basic",
        "--dataset",
        str(image_folder),
        "--limit",
        "1",
    ]
    invoke = CliRunner().invoke
    assert invoke(app, [*command, "-o", "r.json"]).exit_code == 0
    assert invoke(app, [*command, "-o", "r.json"]).exit_code == 0
    assert invoke(app, ["compare", "--from", "r.json", "-o", "r.json"]).exit_code == 0
    other = invoke(app, [*command, "--seed", "1", "-o", "r.json"])
    assert (other.exit_code, "--overwrite" in other.stderr) == (1, True)
    (tmp_path / "notes.md").write_text("mine")
    assert invoke(app, ["compare", "--from", "r.json", "-o", "notes.md"]).exit_code == 1
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_results_of_two_weights_never_share_a_folder(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a/best.safetensors", "a/last.safetensors", "b/last.safetensors")]
    files.append(tmp_path / "mine.safetensors")
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    labels = [label_of(file) for file in files]
    assert labels == ["a", "a-last", "b", "mine"]
    assert label_of(find_bundled("unet", True)) == ""
