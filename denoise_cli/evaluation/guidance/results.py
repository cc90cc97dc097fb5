"""Results of a comparison of guidance, image by image, as JSON; imports no torch."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import Field, ValidationError

from denoise_cli.errors import DataError, UsageError
from denoise_cli.evaluation.report.record import Made, Record
from denoise_cli.evaluation.report.stored import read_json
from denoise_cli.models.guidance import GuidanceChoice, GuidanceInjection
from denoise_cli.noise.spec import parse_noise


class Variant(Record):
    """One configuration, independent of seed and noise."""

    model: str
    """The plain denoiser where the source is `none`."""
    source: GuidanceChoice
    injection: GuidanceInjection | None
    """None where the source is `none`."""
    batch_norm: bool


class GuidedRun(Record):
    """One training run, scored under one noise."""

    variant: Variant
    noise: str
    trained_on: str
    """Noise that it was trained on."""
    seed: int | None
    """Seed of its training; None where that is not known."""
    weights: str
    sha256: str
    psnr: tuple[float, ...]
    """dB, per image, in the order of `GuidanceResults.images`."""
    ssim: tuple[float, ...]
    right: str
    """A digit per image: 1 where its classifier names the noisy image's class, else 0.

    Empty without classifier or labels.
    """


class GuidanceResults(Made):
    """A whole comparison of guidance."""

    kind: Literal["guidance"] = "guidance"
    format: Literal[1] = 1
    dataset: str
    images: tuple[str, ...]
    groups: tuple[int, ...] = ()
    """Images of one group (crops of one photo) are not independent; empty where all are."""
    seed: int
    """Of the test noise."""
    device: str
    versions: dict[str, str]
    request: dict[str, Any] = Field(default_factory=dict)
    """The config of the command that made it; empty in files of earlier versions."""
    runs: tuple[GuidedRun, ...]
    notes: tuple[str, ...] = ()

    @property
    def dataset_name(self) -> str:
        """The data set without the folders above it."""
        return PurePath(self.dataset).name

    @property
    def noises(self) -> list[str]:
        """Noises in the order in which they were scored."""
        return list(dict.fromkeys(run.noise for run in self.runs))


def read_guidance(path: Path) -> GuidanceResults | None:
    """Read a comparison of guidance; None where the file is something else.

    Raises:
        DataError: A comparison of guidance that is not complete.
    """
    hint = "Make it: denoise compare --guidance all --weights RUNS -o results.json"
    try:
        stored = read_json(path, hint)
    except DataError:
        return None
    if not isinstance(stored, dict) or stored.get("kind") != "guidance":
        return None
    try:
        results = GuidanceResults.model_validate(stored)
        _check(results)
    except (ValidationError, UsageError) as error:
        raise DataError(f"{path} does not hold a whole comparison of guidance.", hint) from error
    return results


def _check(results: GuidanceResults) -> None:
    """Refuse noises that there are not, and scores that are not one an image; raises `UsageError`."""
    count = len(results.images)
    for run in results.runs:
        parse_noise(run.noise)
        right = len(run.right) in {0, count} and set(run.right) <= {"0", "1"}
        if not (len(run.psnr) == len(run.ssim) == count and right):
            raise UsageError("Not one score an image.")
    if count == 0 or len(results.groups) not in {0, count}:
        raise UsageError("Not one group an image.")
