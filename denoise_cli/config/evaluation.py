"""Configs of the commands that score."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from denoise_cli.config.base import Section
from denoise_cli.errors import ConfigError
from denoise_cli.models.guidance import GUIDANCE_CHOICES, GuidanceChoice, GuidanceInjection
from denoise_cli.models.registry import DENOISERS, STUDY_MODELS, denoiser_info, either, guided_names
from denoise_cli.noise.spec import REAL, canonical_noise

AWGN_LEVELS = ("awgn:15", "awgn:25", "awgn:50")
# Defaults of the benchmarks.
_BENCHMARKS: dict[str, dict[str, Any]] = {
    "awgn": {"noise": AWGN_LEVELS},
    "real": {"noise": (REAL.name,), "models": tuple(DENOISERS.own), "baselines": True},
}
PLAIN_NOISE = "Add noise to the clean pictures: --noise basic."
_NOISES = frozenset({"noise", "train_noise"})
# Each is a whole grid of trainings.
_MOST_SEEDS = 1000


class TestDataConfig(Section):
    """The images to score."""

    __test__ = False

    dataset: str = "sample"
    """stl10, cifar10, sample, or a folder of images."""
    data_dir: Path | None = None
    """Where downloaded data sets live (default: a per-user cache, or $DENOISE_DATA_DIR)."""
    limit: int | None = Field(None, gt=0)
    """Score only this many images, evenly spread."""
    crop: int | None = Field(None, gt=0)
    """Score centre crops of this side instead of whole images."""


class _ScoreConfig(Section):
    """The keys that the scoring commands share."""

    data: TestDataConfig = TestDataConfig()
    seed: int = Field(0, ge=0)
    """Seed of the test noise, which depends on it and the image's index alone."""
    device: str = "auto"
    """auto, cpu, gpu, cuda, cuda:N or mps."""


class TestConfig(_ScoreConfig):
    """Config of `denoise test`."""

    __test__ = False

    model: str | None = Field(None, description=f"{either(DENOISERS.own)} (default: what `weights` holds).")
    batch_norm: bool | None = None
    """Weights with or without batch normalisation (default: of the bundled ones those with it)."""
    weights: str | None = None
    """Weights instead of the bundled ones: a file, a run, or a network of another program (an ONNX file,
    published weights, `package.module:factory`)."""
    noise: str = "basic"
    """basic, intense, blind, camera, correlated, gaussian:S or awgn:S; real: the noisy half of a
    folder of pairs, where it is the default."""
    protocol: Literal["image", "paper"] = "image"
    """image: mean of per-image scores; paper: the study's pooled scores as well."""
    out: Path | None = None
    """Where per-image scores and the picture grid go (default results/MODEL-DATASET-NOISE-bn|nobn, with
    -RUN behind it for weights that are not bundled)."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        return None if value is None else denoiser_info(value).name

    @field_validator("noise")
    @classmethod
    def _known_noise(cls, value: str) -> str:
        return canonical_noise(value)


class CompareConfig(_ScoreConfig):
    """Config of `denoise compare`: of a grid of cells, or of networks side by side."""

    networks: tuple[str, ...] = ()
    """Networks to compare side by side, instead of the grid: models, bundled weights, weight files, runs,
    or folders of runs."""
    models: tuple[str, ...] = STUDY_MODELS
    """Denoisers to compare, separated by commas."""
    batch_norm: tuple[bool, ...] = (True,)
    """Batch-norm settings to compare."""
    noise: tuple[str, ...] = ("basic", "intense")
    """Noises, separated by commas: basic, intense, blind, camera, correlated, gaussian:S, awgn:S, or a
    bare sigma from 0 to 1; real: the noisy half of a folder of pairs, where it is the default."""
    weights: Path | None = None
    """A folder of runs (or one run or weight file) instead of the bundled weights; more than one, or one
    beside named networks: further networks to compare."""
    train: bool = False
    """First train every cell that has no weights; the same command continues an interrupted grid."""
    recipe: str = "study"
    """Folder of training configs named MODEL-bn|nobn-NOISE.yaml, or the name of a shipped one."""
    train_seeds: tuple[int, ...] = (0,)
    """Seeds to train each cell with, or how many; their scores are averaged."""
    epochs: float | None = Field(None, gt=0)
    """Epochs of every run that is trained (default: the recipe's)."""
    steps: int | None = Field(None, gt=0)
    """Steps of every run that is trained, instead of epochs."""
    train_set: tuple[str, ...] = ()
    """Assignments for every training config, such as optim.schedule=cosine."""
    classifier: str | None = None
    """Weights of the classifier that guides every trained model (default: one is trained too)."""
    guidance: tuple[GuidanceChoice, ...] = ()
    """Sources of guidance to compare: none, zero, predicted, oracle, shuffled, features, or all."""
    injection: tuple[GuidanceInjection, ...] = ("concat",)
    """How guidance enters the U-Net, with `guidance`: concat, film."""
    train_noise: tuple[str, ...] = ()
    """Noises to train on with `guidance` (default: `noise`); others are scored by runs of the first."""
    baselines: bool = False
    """Also score classical methods."""
    benchmark: Literal["awgn", "real"] | None = None
    """awgn: the field's own table, unclipped Gaussian noise at sigma 15, 25 and 50 of 255; real: the
    noise of cameras in a folder of pairs; every network, classical methods tuned on the train pairs."""
    protocol: Literal["image", "paper"] = "image"
    """image: mean of per-image scores; paper: the study's pooled scores, beside its own."""

    @model_validator(mode="before")
    @classmethod
    def _benchmark_defaults(cls, values: Any) -> Any:
        if isinstance(values, dict):
            defaults = _BENCHMARKS.get(str(values.get("benchmark")), {})
            if values.get("networks"):
                defaults = {key: value for key, value in defaults.items() if key != "models"}
            return defaults | values
        return values

    @model_validator(mode="before")
    @classmethod
    def _guided_models(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("guidance") and "models" not in values:
            return {**values, "models": [name for name in STUDY_MODELS if denoiser_info(name).classifier]}
        return values

    # Validators of this kind run from the last to the first: the others see the networks.
    @model_validator(mode="before")
    @classmethod
    def _several_weights(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("weights"):
            return values
        given = values["weights"]
        if not isinstance(given, str | Path | list | tuple):
            return values
        weights = [given] if isinstance(given, str | Path) else list(given)
        networks = values.get("networks") or ()
        if len(weights) == 1 and not networks:
            return {**values, "weights": weights[0]}
        networks = [networks] if isinstance(networks, str) else networks
        return {**values, "weights": None, "networks": [*networks, *map(str, weights)]}

    @field_validator("networks", "train_set", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("models", "noise", "train_noise", "train_seeds", "guidance", "injection", mode="before")
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool) and info.field_name in _NOISES:
            return [value]
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("train_seeds", mode="before")
    @classmethod
    def _count(cls, value: object) -> object:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if value > _MOST_SEEDS:
                raise ConfigError(
                    f"{value:,} seeds are too many.", f"At most {_MOST_SEEDS}; name others as in 7,8,9."
                )
            return tuple(range(value))
        return value

    @field_validator("train_seeds")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("guidance", mode="before")
    @classmethod
    def _all_guidance(cls, value: object) -> object:
        return GUIDANCE_CHOICES if value in ("all", ["all"]) else value

    @field_validator("guidance")
    @classmethod
    def _reference_first(cls, value: tuple[GuidanceChoice, ...]) -> tuple[GuidanceChoice, ...]:
        return tuple(dict.fromkeys(("none", *value))) if value else ()

    @field_validator("models")
    @classmethod
    def _known_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(denoiser_info(name).name for name in value))

    @field_validator("noise", "train_noise", mode="after")
    @classmethod
    def _known_noises(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(canonical_noise, value)))

    @model_validator(mode="after")
    def _something(self) -> CompareConfig:
        for key in ("models", "batch_norm", "noise", "train_seeds"):
            if not getattr(self, key):
                raise ConfigError(
                    f"`{key}` is empty, so there is nothing to compare.", f"Name some, or leave `{key}` out."
                )
        folder = self.weights
        if self.train and folder is not None and (folder.is_file() or (folder / "config.yaml").is_file()):
            raise ConfigError(
                f"`train` puts runs into the folder of `weights`, and {folder} is one run.",
                "Name the folder that holds it, or leave --weights out.",
            )
        self._check_networks()
        self._check_guidance()
        if self.benchmark == "awgn" and not all(name.startswith("awgn:") for name in self.noise):
            raise ConfigError(
                "The benchmark takes unclipped noise only.", "Leave --noise out, or give awgn:S."
            )
        if self.benchmark == "real" and self.noise != (REAL.name,):
            raise ConfigError("The benchmark takes the noise of the pairs only.", "Leave --noise out.")
        return self

    def _check_networks(self) -> None:
        if not self.networks:
            return
        keys = ("models", "train", "guidance")
        of_grid = [key for key in keys if key in self.model_fields_set and getattr(self, key)]
        if of_grid or len(self.batch_norm) > 1:
            grid = ", ".join(f"`{key}`" for key in of_grid) or "`batch_norm`"
            raise ConfigError(
                f"{grid} and named networks exclude each other.",
                "Name all networks, or none: denoise compare NETWORK NETWORK …",
            )

    def _check_guidance(self) -> None:
        if not self.guidance:
            if self.train_noise:
                raise ConfigError("`train_noise` goes with `guidance` only.", "Name the noises with --noise.")
            return
        plain = [name for name in self.models if denoiser_info(name).classifier is None]
        if plain or not self.injection:
            raise ConfigError(
                f"`guidance` compares guided models; {', '.join(plain) or 'no injection'} is none.",
                f"Use --models {either(guided_names())}; the plain U-Net is always compared with.",
            )
        if REAL.name in (*self.noise, *self.train_noise):
            raise ConfigError("`guidance` is compared under added noise, not under `real`.", PLAIN_NOISE)
        if self.baselines or self.benchmark or self.protocol == "paper":
            raise ConfigError(
                "`guidance` goes with neither `baselines`, `benchmark` nor the paper protocol.",
                "Leave the other out, or compare in two calls.",
            )
