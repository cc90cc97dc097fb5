"""The shared parts of the commands that score: load a network and test images, hold a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from denoise_cli.config import TestDataConfig
from denoise_cli.data.load import load_dataset
from denoise_cli.data.pairs import LAYOUT
from denoise_cli.data.source import Images, centre_cropped
from denoise_cli.errors import DataError, WeightsError
from denoise_cli.evaluation.report.record import Record
from denoise_cli.metrics import WINDOW
from denoise_cli.models.registry import DEFAULT_MODEL
from denoise_cli.noise.spec import NoiseSpec, is_real
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.header import Architecture
from denoise_cli.weights.store import find_bundled, find_weights

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


Summary = TypeVar("Summary", bound=Record)


@dataclass(frozen=True, slots=True)
class Report(Generic[Summary]):
    """Scores of one model on one data set.

    Attributes:
        summary: What `--json` prints.
        folder: Holds `scores.json` (with per-image values) and pictures.
    """

    summary: Summary
    folder: Path

    def rows(self) -> dict[str, Any]:
        """The summary as JSON has it."""
        return self.summary.model_dump(by_alias=True)


def load_test_model(
    name: str | None, batch_norm: bool, weights: str | None
) -> tuple[Architecture, nn.Module]:
    """The denoiser of a weight file or run, else the bundled one of this name.

    Raises:
        WeightsError: Not there, not a denoiser, or of another architecture than `name`.
    """
    path = find_test_weights(name, batch_norm, weights)
    architecture, model = load_weights(path)
    if architecture.kind != "denoiser":
        raise WeightsError(
            f"{path} holds the classifier {architecture.name!r}, not a denoiser.",
            f"Test it with: denoise classify {architecture.name} --eval-only --weights {weights}",
        )
    if name is not None and architecture.name != name:
        raise WeightsError(f"{path} holds {architecture.name!r}, not {name!r}.", "Leave the model name out.")
    return architecture, model


def find_test_weights(name: str | None, batch_norm: bool, weights: str | None) -> Path:
    """The file that `load_test_model` reads; raises `WeightsError` where it is not there."""
    return find_bundled(name or DEFAULT_MODEL, batch_norm) if weights is None else find_weights(weights)


def load_test_images(data: TestDataConfig) -> Images:
    """The test split, cropped and limited as the config says.

    Raises:
        DataError: Not there, or an image is smaller than the window of SSIM.
    """
    source = load_dataset(data.dataset, "test", data_dir=data.data_dir, limit=data.limit)
    source = source if data.crop is None else centre_cropped(source, data.crop)
    _check_sizes(source)
    return source


def check_noise(source: Images, noise: Sequence[NoiseSpec]) -> None:
    """Raise `DataError` where the noise is `real` and the data set holds no pairs."""
    if is_real(noise) and source.noisy is None:
        raise DataError(
            f"{source.name} holds no pairs of a noisy and a clean picture, so it has no `real` noise.", LAYOUT
        )


def _check_sizes(source: Images) -> None:
    sides = source.shapes.min(1).values
    small = int(sides.argmin())
    if int(sides[small]) < WINDOW:
        height, width = source.shapes[small].tolist()
        raise DataError(
            f"{source.names[small]} has {width}x{height} pixels; SSIM needs at least {WINDOW}x{WINDOW}.",
            "Take the small images out of the folder.",
        )
