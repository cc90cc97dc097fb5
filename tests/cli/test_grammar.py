"""One grammar for all commands: what an option is called, what help says of it, and which values it takes."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest
from typer.testing import CliRunner

from denoise_cli.cli.app import app
from denoise_cli.config import ClassifyConfig, CompareConfig, DenoiseConfig, Section, TestConfig, TrainConfig

CONFIGS: dict[str, type[Section]] = {
    "train": TrainConfig,
    "test": TestConfig,
    "classify": ClassifyConfig,
    "compare": CompareConfig,
    "denoise-image": DenoiseConfig,
    "export": DenoiseConfig,
}
# Options that are called otherwise than their key, and those that are of no config.
KEYS = {"batchnorm": "batch_norm", "seeds": "train_seeds", "lr": "optim.lr", "output": "out"}
OWN = {
    "train": {"named", "config", "set", "resume", "overwrite"},
    "test": {"named", "config", "set", "json"},
    "classify": {
        *("named", "config", "set", "resume", "overwrite", "json"),
        *("eval_only", "image", "weights", "denoiser"),
    },
    "compare": {"everything", "batchnorm", "config", "set", "from_", "format_", "output"},
    "denoise-image": {"paths", "detail", "reference", "side_by_side", "config", "set", "json"},
    "export": {"model", "named", "output", "overwrite"},
}


def options_of(command: str) -> dict[str, Any]:
    """What typer is told of each parameter of a command."""
    (function,) = (each.callback for each in app.registered_commands if each.name == command)
    assert function is not None
    hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
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
    for command in CONFIGS:
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
