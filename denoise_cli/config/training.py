"""Configs of the commands that train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from denoise_cli.config.base import Section
from denoise_cli.data.names import folder_name
from denoise_cli.errors import ConfigError
from denoise_cli.models.guidance import GuidanceInjection, GuidanceSource
from denoise_cli.models.registry import (
    CLASSIFIERS,
    DENOISERS,
    classifier_info,
    denoiser_info,
    either,
    guided_names,
    uses_batch_norm,
)
from denoise_cli.noise.spec import canonical_noise, is_mixture, short_name


class MixItem(Section):
    """One data set of a mixture."""

    dataset: str
    """Data set name or folder."""
    weight: float = Field(1.0, gt=0)
    """How often batches come from it, relative to the others."""
    crop: int | None = Field(None, gt=0)
    """Side of the square training crops (default: as `data.crop`)."""
    rescale: float = Field(1.0, gt=0, le=1)
    """Shrink batches by a random factor between this and 1 before cropping; 1 never shrinks."""
    enlarge: float = Field(1.0, ge=1)
    """Enlarge a share of the crops 1.1 to so many times: soft, as photos at full size; 1: none."""
    enlarge_share: float = Field(0.5, ge=0, le=1)
    """Share of the crops that `enlarge` is for."""

    @field_validator("enlarge")
    @classmethod
    def _worth_it(cls, value: float) -> float:
        if 1 < value < 1.1:
            raise ConfigError("`enlarge` must be 1 (never) or at least 1.1.")
        return value


class DataConfig(Section):
    """Training images and their augmentation."""

    dataset: str = "stl10"
    """stl10, cifar10, sample, or a folder of images."""
    data_dir: Path | None = None
    """Where downloaded data sets live (default: a per-user cache, or $DENOISE_DATA_DIR)."""
    mix: tuple[MixItem, ...] = ()
    """Train on a weighted mixture of data sets instead of `dataset` alone."""
    crop: int | None = Field(None, gt=0)
    """Side of the square training crops (default: whole images where all have one size, else 96)."""
    resize: int | None = Field(None, gt=0)
    """Scale images so that their shorter side has this many pixels, before cropping."""
    limit: int | None = Field(None, gt=0)
    """Use only this many training images."""
    holdout: float = Field(0.05, ge=0, lt=1)
    """Share of the training images kept for validation; 0 validates on the test images."""
    test_share: float = Field(0.1, ge=0, lt=1)
    """Share of a folder without a test part that is kept for testing, by names; not of a mixture."""
    validation_limit: int = Field(512, gt=0)
    """Validate on at most this many images."""
    classes: tuple[str, ...] | Literal["stl10", "cifar10"] | None = None
    """Class names in the order of the logits (default: those of the data set)."""
    flip: bool = True
    """Mirror training images at random."""
    rotate: bool = False
    """Turn training images by multiples of 90 degrees at random."""
    grey: float = Field(0.0, ge=0, le=1)
    """Share of training images made grey."""


class OptimConfig(Section):
    """The optimiser."""

    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """adam, adamw, or muon: orthogonalised momentum for hidden kernels, AdamW for the rest."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate (the peak of the schedule)."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay."""
    schedule: Literal["constant", "cosine"] = "constant"
    """constant or cosine (to 0)."""
    warmup: int = Field(0, ge=0)
    """Steps of linear warm-up."""
    clip: float = Field(0.0, ge=0)
    """Largest gradient norm; 0 does not clip."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is validated and saved; 0 is off."""


class GuidanceConfig(Section):
    """Source of a guided model's guidance, and how it enters the U-Net."""

    source: GuidanceSource = "predicted"
    """predicted (the classifier's logits), zero, oracle (the true class), shuffled or features."""
    injection: GuidanceInjection = "concat"
    """concat (a map that joins the deepest decoder level) or film (scale and shift of channels)."""


class RunConfig(Section):
    """The keys that `train` and `classify` share."""

    model: str
    """Architecture."""
    batch_norm: bool = Field(True, validate_default=True)
    """Batch normalisation after each hidden convolution."""
    data: DataConfig = DataConfig()
    noise: str = "basic"
    """basic, intense, blind, camera, correlated, gaussian:S or awgn:S; `a+b` draws one per image,
    `0.7*a+0.3*b` by weights; real: the noisy half of a folder of pairs."""
    optim: OptimConfig = OptimConfig()
    epochs: float | None = Field(None, gt=0)
    """Passes over the training images (default 10, unless `steps` is given)."""
    steps: int | None = Field(None, gt=0)
    """Length in optimiser steps instead of epochs."""
    batch_size: int = Field(64, gt=0)
    """Images in one step, over all processes."""
    init: str | None = None
    """Start from these weights (file, run or bundled name); layers that fit, batch norm folded if need be."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass: auto takes bfloat16 where the hardware has it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the network with torch.compile: auto, on or off."""
    seed: int = Field(0, ge=0)
    """Seed of weights, order, augmentation and noise."""
    device: str = "auto"
    """auto, cpu, gpu, cuda, cuda:N or mps."""
    out: Path | None = None
    """Run folder (default runs/MODEL-DATASET-NOISE-bn|nobn-sSEED, without bn|nobn where a model has none)."""
    sync_batch_norm: bool = False
    """Share batch statistics between GPUs."""
    freeze_batch_norm: bool = False
    """Keep the batch statistics of `init`: for training on with few steps on other noise."""
    validate_every: float = Field(1.0, gt=0)
    """Epochs between validations."""
    save_seconds: float = Field(300.0, ge=0)
    """Seconds between saved training states; the state is also saved after each validation."""
    patience: int | None = Field(None, gt=0)
    """Stop after so many validations without a better score (default: never before the last step)."""
    log: Literal["tensorboard", "wandb", "trackio"] | None = None
    """Send scores to a tracker as well, while training goes on: tensorboard, wandb or trackio."""
    validate_noise: str | None = None
    """Noise of the validation images (default: `noise`; `basic` where that is a mixture)."""

    @property
    def is_classifier(self) -> bool:
        """Whether a classifier is trained."""
        return isinstance(self, ClassifyConfig)

    @property
    def scoring_noise(self) -> str:
        """`validate_noise`, else `noise`; a mixture is scored on `basic`."""
        if self.validate_noise is not None:
            return self.validate_noise
        return "basic" if is_mixture(self.noise) else self.noise

    @property
    def command(self) -> str:
        """The subcommand that trains it."""
        return "classify" if self.is_classifier else "train"

    @property
    def label(self) -> str:
        """Name of the model in run folders."""
        return f"classifier-{self.model}" if self.is_classifier else self.model

    @property
    def folder(self) -> Path:
        """The run folder: `out`, or its default."""
        if self.out is not None:
            return self.out
        dataset = "mix" if self.data.mix else folder_name(self.data.dataset)
        noise = short_name(self.noise)
        switch = self.is_classifier or denoiser_info(self.model).batch_norm
        setting = ("-bn" if self.batch_norm else "-nobn") if switch else ""
        return Path("runs") / f"{self.label}-{dataset}-{noise}{setting}-s{self.seed}"

    @field_validator("noise", "validate_noise", mode="before")
    @classmethod
    def _known_noise(cls, value: Any) -> Any:
        return canonical_noise(value) if isinstance(value, str | Mapping) else value

    @model_validator(mode="after")
    def _one_length(self) -> RunConfig:
        if self.epochs is not None and self.steps is not None:
            raise ConfigError("Both `epochs` and `steps` are given.", "Keep one of them.")
        return self


class TrainConfig(RunConfig):
    """Config of `denoise train`."""

    model: str = Field(description=f"{either(DENOISERS.own)}.")
    classifier: str | None = None
    """Weights of the classifier that guides the model (default: that inside `init`, else the bundled one)."""
    guidance: GuidanceConfig = GuidanceConfig()
    """Source of a guided model's guidance, and how it enters: guidance.source, guidance.injection."""
    loss: Literal["mse", "l1", "charbonnier", "psnr"] = "mse"
    """Training loss: mse, l1, charbonnier or psnr (each picture's, so that weak noise counts as much)."""
    samples: int = Field(4, ge=0, le=64)
    """Validation pictures that `samples/` shows at each validation; 0 shows none."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        return denoiser_info(value).name

    @field_validator("batch_norm")
    @classmethod
    def _existing_batch_norm(cls, value: bool, info: ValidationInfo) -> bool:
        # Absent if the model was refused.
        return uses_batch_norm(info.data["model"], value) if "model" in info.data else value

    @property
    def label(self) -> str:
        """Name of the model in run folders, with any guidance other than the study's."""
        if self.guidance == GuidanceConfig():
            return self.model
        return f"{self.model}-{self.guidance.source}-{self.guidance.injection}"

    @model_validator(mode="after")
    def _guidance_fits(self) -> TrainConfig:
        if self.guidance != GuidanceConfig() and denoiser_info(self.model).classifier is None:
            raise ConfigError(
                f"`guidance` is given, but {self.model} is not guided.", f"Use {either(guided_names())}."
            )
        if self.guidance.source == "oracle" and self.data.mix:
            raise ConfigError(
                "`guidance.source` oracle needs one data set with labels, not `data.mix`.",
                "Give `data.dataset`.",
            )
        return self


class ClassifyConfig(RunConfig):
    """Config of `denoise classify`."""

    model: str = Field(description=f"{either(CLASSIFIERS.own)}.")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Label smoothing of the cross-entropy."""
    mixup: float = Field(0.0, ge=0)
    """Mixup's alpha; 0 is off."""
    clean_share: float = Field(0.0, ge=0, lt=1)
    """Share of training images that get weaker noise, down to none."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        return classifier_info(value).name
