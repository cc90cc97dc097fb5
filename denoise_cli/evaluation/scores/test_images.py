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
from denoise_cli.errors import DataError, UsageError, WeightsError
from denoise_cli.evaluation.report.record import Record
from denoise_cli.evaluation.scores.windows import InStrips
from denoise_cli.external.load import is_external, load_external
from denoise_cli.external.network import set_sigma
from denoise_cli.files import sha256
from denoise_cli.metrics import WINDOW
from denoise_cli.models import denoiser_info
from denoise_cli.models.registry import DEFAULT_MODEL
from denoise_cli.noise.spec import NoiseSpec, gaussian_level, is_real
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.header import WeightsHeader, check_batch_norm
from denoise_cli.weights.store import find_bundled, find_weights, label_of

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
    name: str | None, batch_norm: bool | None, weights: str | None
) -> tuple[WeightsHeader, nn.Module]:
    """The denoiser of a weight file or run, else the bundled one of this name.

    Raises:
        WeightsError: Not there, or not a denoiser.
        UsageError: Of another architecture than `name`, or the other setting.
    """
    path = find_test_weights(name, batch_norm, weights)
    architecture, model = load_weights(path)
    if architecture.kind != "denoiser":
        raise WeightsError(
            f"{path} holds the classifier {architecture.name!r}, not a denoiser.",
            f"Test it with: denoise classify {architecture.name} --eval-only --weights {weights}",
        )
    if name is not None and architecture.name != name:
        raise UsageError(f"{path} holds {architecture.name!r}, not {name!r}.", "Leave the model name out.")
    check_batch_norm(path, architecture, batch_norm)
    return architecture, model


@dataclass(frozen=True, slots=True)
class TestNetwork:
    """The denoiser that a test scores.

    Attributes:
        label: What tells its results from those of bundled weights; empty for these.
        path: Its file; for a network of another program only its name.
        external: Whether it is one of another program.
    """

    __test__ = False

    architecture: WeightsHeader
    model: nn.Module
    path: Path
    label: str
    sha256: str
    external: bool

    def in_strips(self) -> nn.Module:
        """The network, cutting large pictures into strips where it can."""
        if self.external:
            return self.model
        return InStrips(self.model, denoiser_info(self.architecture.name))


def load_test_network(
    name: str | None, batch_norm: bool | None, weights: str | None, noise: str
) -> TestNetwork:
    """As `load_test_model`; `weights` may also name a network of another program.

    Args:
        noise: What it will be scored under, for networks that take the noise level.
    """
    if weights is not None and is_external(weights):
        if name is not None:
            raise WeightsError(
                f"{weights} is a network of another program, not a {name}.", "Leave the model name out."
            )
        network = load_external(weights)
        set_sigma(network.module, gaussian_level(noise))
        architecture = WeightsHeader("denoiser", network.name, batch_norm=False)
        label = network.name.replace(":", ".")
        return TestNetwork(architecture, network.module, Path(weights), label, network.sha256, external=True)
    path = find_test_weights(name, batch_norm, weights)
    architecture, model = load_test_model(name, batch_norm, weights)
    return TestNetwork(architecture, model, path, label_of(path), sha256(path), external=False)


def find_test_weights(name: str | None, batch_norm: bool | None, weights: str | None) -> Path:
    """The file that `load_test_model` reads; raises `WeightsError` where it is not there."""
    if weights is not None:
        return find_weights(weights)
    return find_bundled(name or DEFAULT_MODEL, batch_norm is not False)


def load_test_images(data: TestDataConfig, test_share: float = 0.0) -> Images:
    """The test split, cropped and limited as the config says.

    Args:
        data: Names the images.
        test_share: Of a folder without a test part, as `kept_share` says.

    Raises:
        DataError: Not there, or an image is smaller than the window of SSIM.
    """
    source = load_dataset(
        data.dataset, "test", data_dir=data.data_dir, limit=data.limit, test_share=test_share
    )
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
