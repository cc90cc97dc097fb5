"""Configs of the commands that score."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from denoise_cli.config.base import Section
from denoise_cli.models.registry import denoiser_info
from denoise_cli.noise.spec import parse_noise


class TestDataConfig(Section):
    """Which images are scored."""

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
    """What the scoring commands share."""

    data: TestDataConfig = TestDataConfig()
    seed: int = Field(0, ge=0)
    """Seed of the test noise, which depends on it and the image's index alone."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""


class TestConfig(_ScoreConfig):
    """Config of `denoise test`."""

    __test__ = False

    model: str | None = None
    """cnn, cae, unet, cnn_unet or resnet_unet (default: what `weights` holds)."""
    batch_norm: bool = True
    """Take the bundled weights with or without batch normalisation."""
    weights: str | None = None
    """A weight file or run folder instead of the bundled weights."""
    noise: str = "basic"
    """basic, intense, blind, gaussian:S or awgn:S."""
    protocol: Literal["image", "paper"] = "image"
    """image: mean of per-image scores; paper: the study's pooled scores as well."""
    out: Path | None = None
    """Where per-image scores and the picture grid go (default results/MODEL-DATASET-NOISE-bn|nobn)."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        return None if value is None else denoiser_info(value).name

    @field_validator("noise")
    @classmethod
    def _known_noise(cls, value: str) -> str:
        parse_noise(value)
        return value


class CompareConfig(_ScoreConfig):
    """Config of `denoise compare`."""
