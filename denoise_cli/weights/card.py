"""The card of a weight file: its data, training, measured scores and limits; imports no torch.

Stored as JSON beside the file. A field that a card does not have stays absent when it is written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from denoise_cli.errors import WeightsError
from denoise_cli.models.guidance import GuidanceInjection, GuidanceSource


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSet(_Part):
    """Images that were trained on."""

    name: str
    images: int
    terms: str
    """Origin and terms of use."""
    crop: int
    """Side of the crops, in pixels."""


class Augmentation(_Part):
    """As in the training config's `data`."""

    flip: bool
    rotate: bool
    grey: float


class Training(_Part):
    """One training run."""

    steps: int
    seconds: int
    """Without the pauses between sittings."""
    device: str
    commit: str
    """Of the program, or its version."""
    init: str | None
    """The weights that it started from; None for random ones."""
    start: Training | None = None
    """How those weights were trained."""
    recipe: dict[str, Any]
    """The config's keys that differ from their defaults."""
    augmentation: Augmentation
    note: str


class Score(_Part):
    """Mean scores on one data set under one noise."""

    set: str
    noise: str
    n: int
    """Images."""
    psnr: float
    """dB."""
    ssim: float | None
    """None where the images are smaller than its window."""
    noisy_psnr: float | None = None
    """Of the noisy images, at most 100 dB each; None where it was not measured."""


class Guidance(_Part):
    """Conditioning of a guided denoiser."""

    source: GuidanceSource
    injection: GuidanceInjection


class Card(_Part):
    """The card of one weight file."""

    model: str
    batch_norm: bool
    noise: str
    """Noise that it was trained on."""
    parameters: int
    """Trainable ones."""
    classes: tuple[str, ...]
    """Of the classifier inside a guided denoiser; else empty."""
    sha256: str
    date: str
    """Of packing, as YYYY-MM-DD."""
    data: tuple[TrainingSet, ...]
    training: Training
    scores: tuple[Score, ...]
    reproduce: tuple[str, ...]
    """Commands that reproduce a score, and the file."""
    licence: str
    limits: tuple[str, ...]
    guidance: Guidance | None = None
    classifier: dict[str, float] | None = None
    """Accuracy of the classifier inside a guided denoiser, by noise."""

    def to_json(self) -> str:
        """The card as stored."""
        return json.dumps(self.model_dump(mode="json", exclude_unset=True), indent=2) + "\n"


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        WeightsError: It is missing, or lacks a field or has one that is not known.
    """
    try:
        return Card.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise WeightsError(f"{path} is not the card of a weight file: {error}") from error
