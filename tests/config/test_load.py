"""Precedence, and messages that name the key, the file and the nearest right key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from denoise_cli.config import (
    ClassifyConfig,
    CompareConfig,
    DenoiseConfig,
    Section,
    TestConfig,
    TrainConfig,
    load_config,
)
from denoise_cli.config.load import find_config, shipped_configs
from denoise_cli.errors import ConfigError, UnknownName, UsageError


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("model: cae\nnoise: intense\noptim: {lr: 0.01, warmup: 5}\nsteps: 100\n")
    return path


def test_flag_over_set_over_yaml_over_default(config_file: Path) -> None:
    config = load_config(
        TrainConfig, str(config_file), ["optim.lr=0.02", "seed=7"], {"seed": 9, "noise": None}
    )
    assert (config.model, config.noise) == ("cae", "intense")  # YAML over default
    assert config.optim.lr == 0.02  # --set over YAML
    assert config.optim.warmup == 5  # the rest of the section stays
    assert config.seed == 9  # flag over --set
    assert config.batch_size == 64  # default


def test_a_length_on_the_command_line_overrules_the_other_in_the_file(config_file: Path) -> None:
    config = load_config(TrainConfig, str(config_file), [], {"epochs": 3.0})
    assert (config.epochs, config.steps) == (3.0, None)
    with pytest.raises(ConfigError, match="Both `epochs` and `steps`"):
        load_config(TrainConfig, str(config_file), ["epochs=3"], {})


def test_configs_are_frozen(config_file: Path) -> None:
    config = load_config(TrainConfig, str(config_file), [], {})
    with pytest.raises(ValidationError):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("model: unet\nepoch: 3\n", "epoch", "epochs"),
        ("model: unet\noptim: {learning_rat: 1}\n", "optim.learning_rat", "lr"),
        ("model: unet\nlr: 0.1\n", "lr", "optim.lr"),
        ("model: unet\ndata: {mix: [{dataset: a, crap: 3}]}\n", "data.mix.0.crap", "data.mix.0.crop"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, str(path), [], {})
    assert repr(key) in str(caught.value)
    assert str(path) in str(caught.value)
    assert hint in caught.value.hint


def test_an_unknown_key_of_set_is_blamed_on_set() -> None:
    with pytest.raises(ConfigError, match=r"Unknown key 'optim\.lrr' in --set"):
        load_config(TrainConfig, None, ["model=unet", "optim.lrr=1"], {})


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["model=unet", "batch_size=0"], "batch_size in --set must be a whole number above 0, not 0"),
        (["model=unet", "batch_size=many"], "batch_size in --set must be a whole number above 0, not 'many'"),
        (["seed"], "not of the form key=value"),
        (["model=unet", "data={a: ["], "not valid YAML"),
        ([], "model is missing"),
        (["modle=unet"], "Unknown key 'modle' in --set"),
        (["model=unet", "batch_size=true"], "batch_size in --set must be a whole number above 0, not True"),
        (["model=unet", "data=1", "data.dataset=sample"], "data must be a section of keys and values, not 1"),
        (["model=unet", "data.mix={dataset: a}"], "data.mix in --set must be a list, each a section"),
    ],
)
def test_wrong_values_are_explained(assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(TrainConfig, None, assignments, {})


def test_an_empty_flag_is_a_shells_empty_variable() -> None:
    with pytest.raises(ConfigError, match="--dataset is empty") as raised:
        load_config(TrainConfig, None, [], {"model": "unet", "data.dataset": ""})
    assert raised.value.hint == "Is a variable of the shell not set?"


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00"])
def test_files_that_are_not_configs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(TrainConfig, str(path), [], {})


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'unet'"):
        load_config(TrainConfig, None, [], {"model": "unnet"})
    with pytest.raises(UsageError, match="noise"):
        load_config(TrainConfig, None, [], {"model": "unet", "noise": "bsic"})


def test_a_missing_config_names_near_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        find_config("weights/unett")
    assert "weights/unet" in caught.value.hint


def test_every_config_class_explains_every_key() -> None:
    for kind in (TrainConfig, ClassifyConfig, TestConfig, CompareConfig, DenoiseConfig):
        assert [
            name
            for name, field in kind.model_fields.items()
            if not field.description and name not in {"data", "optim"}
        ] == []


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_loads(name: str) -> None:
    """By its folder or name: classify*, test*, compare*, denoise-image*, else train."""
    path = find_config(name)
    stem = Path(name).name
    kinds: dict[str, type[Section]] = {
        "classif": ClassifyConfig,
        "test": TestConfig,
        "compare": CompareConfig,
        "denoise": DenoiseConfig,
    }
    kind = next((kind for start, kind in kinds.items() if stem.startswith(start)), TrainConfig)
    config = load_config(kind, name, [], {})
    assert config.model_dump(exclude_unset=True).keys() == (yaml.safe_load(path.read_text()) or {}).keys()


def test_each_command_has_a_shipped_config() -> None:
    stems = {Path(name).name.split("-")[0] for name in shipped_configs()}
    assert {"test", "compare", "denoise", "classifier"} <= stems
    assert "weights/unet" in shipped_configs()


@pytest.mark.parametrize("flag", [True, False, None])
def test_a_model_without_batch_norm_takes_no_notice_of_the_setting(flag: bool | None) -> None:
    config = load_config(TrainConfig, None, [], {"model": "photo-unet", "batch_norm": flag})
    assert (config.model, config.batch_norm) == ("photo_unet", False)
    assert config.folder == Path("runs/photo_unet-stl10-basic-s0")
    assert load_config(TrainConfig, None, [], {"model": "unet", "batch_norm": flag}).batch_norm is (
        flag is not False
    )


def test_a_data_set_on_the_command_line_overrules_the_mixture_in_the_file() -> None:
    assert load_config(TrainConfig, "weights/unet", [], {}).data.mix
    config = load_config(TrainConfig, "weights/unet", [], {"data.dataset": "sample"})
    assert (config.data.dataset, config.data.mix) == ("sample", ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": 7}, "weights must be"),
        ({"weights": True}, "weights must be"),
        ({"train_seeds": 10**9}, "1,000,000,000 seeds are too many"),
        ({"train_seeds": True}, "seeds must be a whole number, not True"),
        ({"noise": 7}, "7"),
    ],
)
def test_wrong_values_of_a_comparison(values: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, UsageError), match=message):
        load_config(CompareConfig, None, [], values)


def test_values_of_a_comparison_in_any_form() -> None:
    def config(**values: object) -> CompareConfig:
        return load_config(CompareConfig, None, [], values)

    assert config(train_seeds="1,1,2").train_seeds == (1, 2)
    assert config(noise=0.1).noise == config(noise="0.1").noise == ("gaussian:0.1",)
    assert load_config(TestConfig, None, [], {"noise": "0.1"}).noise == "gaussian:0.1"
    assert load_config(TrainConfig, None, [], {"model": "cae", "noise": ".1"}).noise == "gaussian:0.1"


def test_the_present_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Photos/below").mkdir(parents=True)
    for here, dataset in (("Photos", "."), ("Photos/below", "..")):
        monkeypatch.chdir(tmp_path / here)
        config = load_config(TrainConfig, None, [], {"model": "cae", "data.dataset": dataset})
        assert config.folder == Path("runs/cae-photos-basic-bn-s0")


def test_paths_and_single_names_of_python_callers(tmp_path: Path) -> None:
    values = {"model": "cae", "data.dataset": tmp_path, "init": tmp_path / "a"}
    config = load_config(TrainConfig, None, [], values)
    assert (config.data.dataset, config.init) == (str(tmp_path), str(tmp_path / "a"))
    assert load_config(CompareConfig, None, [], {"networks": "unet"}).networks == ("unet",)
    assert load_config(CompareConfig, None, [], {"networks": [tmp_path, "cae"]}).networks == (
        str(tmp_path),
        "cae",
    )
