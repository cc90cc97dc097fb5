"""Configs of any kind: one sentence each, by file and by `--set`, and never a traceback or much memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from denoise_cli.config import CompareConfig, TrainConfig, load_config
from denoise_cli.config.yaml import read_yaml
from denoise_cli.errors import ConfigError, UsageError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
# Values for `seed`, unless they name another key; what is said of them in a file and of `--set`.
VALUES = [
    ("seed", "[" * 1000 + "]" * 1000, "nested too deeply"),
    ("seed", "{a: " * 1000 + "1" + "}" * 1000, "nested too deeply"),
    ("seed", "9" * 5000, "not valid YAML"),
    ("seed", "9" * 4000, "a number of too many digits"),
    ("weights", "0x" + "f" * 5000, "a number of too many digits"),
    ("seed", "9" * 100, "may be at most"),
    ("seed", str(10**20), "may be at most 9223372036854775807"),
    ("seed", "2024-13-45", "must be a whole number, 0 or more, not '2024-13-45'"),
    ("seed", "2024-01-01", "not '2024-01-01'"),
    ("seed", "!!timestamp x", "not valid YAML"),
    ("seed", "!!int x", "not valid YAML"),
    ("seed", "!!python/object:os.system x", "not valid YAML"),
    ("seed", "&a [*a]", "holds more values"),
    ("seed", "!!binary '//79'", "must be a whole number"),
    ("optim.lr", ".inf", "must be a number above 0, not inf"),
    ("optim.lr", ".nan", "must be a number above 0, not nan"),
    ("optim.lr", "1e999", "not '1e999'"),
    ("epochs", ".inf", "not inf"),
    ("validate_every", ".inf", "not inf"),
    ("data.crop", str(10**25), "may be at most"),
    ("data.dataset", '"a\\0b"', "has a character that no name can have"),
    ("data.dataset", '"\\ud800"', "no name can have"),
    ("out", '"a\\0b"', "no name can have"),
    ("data.classes", '["a\\0b"]', "no name can have"),
    ("noise", "[a]", "noise"),
    ("noise", "25", "from 0 to at most 1"),
    ("noise", "-1", "gaussian:-1"),
    ("optim", "7", "must be a section"),
    ("data.mix", "[[[1]]]", "data.mix"),
]


@pytest.mark.parametrize(("key", "value", "said"), VALUES, ids=lambda text: text[:20])
def test_values_that_cannot_be_used(tmp_path: Path, key: str, value: str, said: str) -> None:
    *sections, last = key.split(".")
    path = tmp_path / "run.yaml"
    value_there = "{".join([*(f"{name}: " for name in sections), f"{last}: {value}"]) + "}" * len(sections)
    path.write_text(f"model: unet\n{value_there}")
    with pytest.raises(UsageError) as caught:
        load_config(TrainConfig, str(path), [], {})
    assert said in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(UsageError) as caught:
        load_config(TrainConfig, None, ["model=unet", f"{key}={value}"], {})
    assert said in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: unet\nseed: 1\nseed: 2\n", "gives the key 'seed' twice (line 3)"),
        ("model: unet\noptim: {lr: 1, lr: 2}\n", "gives the key 'lr' twice (line 2)"),
        (LAUGHS, "holds more values"),
        ("model: unet\n1: 2\n", "must hold keys and values"),
        ("? [a]\n: b\n", "not valid YAML"),
        ("a: *b\n", "not valid YAML (line 1)"),
        ("- " * 5000, "nested too deeply"),
        ("#" * 2**21, "larger than any config"),
        ("\x1b[2J: 1\n", "not valid YAML"),
    ],
)
def test_files_that_are_no_config(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, str(path), [], {})
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_bytes_and_folders_are_no_config(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"model: \xff\xfe\n")
    for path in (tmp_path / "run.yaml", tmp_path):
        with pytest.raises(ConfigError, match=str(path)):
            read_yaml(path)


def test_what_is_plain_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model: unet\ncompile: off\nnoise: 0.2\ndata: {dataset: 2024-01-01}\n")
    config = load_config(TrainConfig, str(path), ["validate_noise=.3"], {})
    assert (config.compile, config.noise, config.validate_noise) == ("off", "gaussian:0.2", "gaussian:0.3")
    assert config.data.dataset == "2024-01-01"
    assert load_config(TrainConfig, None, ["model=unet", "compile=on"], {}).compile == "on"
    assert load_config(CompareConfig, None, ["noise=[0.1, 0.2]"], {}).noise == (
        "gaussian:0.1",
        "gaussian:0.2",
    )


def test_sections_may_be_shared_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model: unet\ndata: {mix: [&a {dataset: x, crop: 8}, {<<: *a, dataset: y}]}\n")
    mix = load_config(TrainConfig, str(path), [], {}).data.mix
    assert [(item.dataset, item.crop) for item in mix] == [("x", 8), ("y", 8)]
