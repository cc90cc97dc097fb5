"""Results of a comparison as JSON: everything that its tables, charts and report show."""

from __future__ import annotations

import base64
from collections import Counter
from io import BytesIO
from math import nan
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, ValidationError, model_validator

from denoise_cli.errors import DataError, UsageError
from denoise_cli.evaluation.report.frame import as_frame
from denoise_cli.evaluation.report.record import Interval, Made, Record
from denoise_cli.evaluation.report.stored import read_json
from denoise_cli.noise.spec import parse_noise

if TYPE_CHECKING:
    from pandas import DataFrame

Pixels = NDArray[np.uint8]
_HINT = "Make them: denoise compare -o results.json"
# What tables and charts have room for, many times what any comparison has.
_MOST = {"methods": 200, "columns": 64, "pictures": 64, "examples": 16}
_LARGEST_SIDE = 1024


class ScoredRun(Record):
    """One weight file of a cell and its scores."""

    weights: str
    """Path, or `bundled`."""
    sha256: str
    trained_on: str
    """Noise that it was trained on."""
    seed: int | None
    """Seed of its training; None where that is not known."""
    psnr: float | None
    ssim: float | None


class Cell(Record):
    """One method under one noise.

    PSNR in dB and SSIM are means over the images by the protocol of the comparison; where
    several runs are averaged, of the per-image means. Intervals are 95 % intervals over images (over
    photos, where the images are crops of photos) by Student's t; None for a single one.
    """

    method: str
    kind: Literal["input", "classical", "model"]
    batch_norm: bool | None = None
    """None where the method has no such setting."""
    noise: str
    missing: str = ""
    """Why there are no scores; empty where there are."""
    make: str = ""
    """The command that makes missing weights; empty where none does."""
    runs: tuple[ScoredRun, ...] = ()
    settings: dict[str, float] = Field(default_factory=dict)
    """Parameters of a classical method."""
    psnr: float | None = None
    psnr_interval: Interval | None = None
    psnr_spread: float | None = None
    """Standard deviation of the mean PSNR over training seeds; None for a single run."""
    ssim: float | None = None
    ssim_interval: Interval | None = None
    psnr_left_out: int = 0
    """Images without a finite PSNR, which the mean leaves out."""
    ssim_left_out: int = 0
    published_psnr: float | None = None
    published_ssim: float | None = None
    seconds_per_megapixel: float | None = Field(None, ge=0)
    image_psnr: tuple[float | None, ...] = ()
    """Per image, in the order of `Results.images`."""
    image_ssim: tuple[float | None, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: Any) -> Any:
        """Differences are now taken from the scores, in the column that is shown."""
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if not key.startswith("to_best")}
        return values


class ScoredClassifier(Record):
    """A classifier that guides networks of the comparison, and its accuracy on the noisy images."""

    name: str
    batch_norm: bool
    noise: str
    """Noise that it was trained on and is scored under."""
    weights: str
    sha256: str
    seed: int | None
    """Seed of its training; None where that is not known."""
    parameters: int
    accuracy: float = Field(ge=0, le=1)
    interval: Interval
    """95 %, by Wilson's score."""


class Cost(Record):
    """The cost of a model."""

    parameters: int
    """Trainable, with batch norm."""
    gflop_per_megapixel: float | None
    """None where it is not known, for networks of other programs."""


class Picture(Record):
    """One picture of an example: `original`, `noisy` or a method's output."""

    title: str
    webp: str
    """Base64 of a WebP file."""
    psnr: float | None
    """Of the picture as shown, in dB; None for the original."""
    crop_psnr: float | None
    """Of the zoomed crop."""


class Example(Record):
    """One image under one noise, cleaned by every method."""

    name: str
    noise: str
    crop: tuple[int, int, int]
    """Left, top and side of the zoomed crop, in pixels."""
    pictures: tuple[Picture, ...] = Field(min_length=1)


class PublishedRow(Record):
    """A row of a published table: PSNR by noise."""

    method: str
    psnr: dict[str, float]


class Results(Made):
    """A whole comparison."""

    format: Literal[1] = 1
    dataset: str
    images: tuple[str, ...]
    groups: tuple[int, ...] = ()
    """Images of one group (crops of one photo) are not independent; empty where all are."""
    protocol: Literal["image", "paper"]
    benchmark: Literal["awgn", "real"] | None = None
    seed: int
    device: str
    versions: dict[str, str]
    request: dict[str, Any] = Field(default_factory=dict)
    """The config of the command that made it; empty in files of earlier versions."""
    costs: dict[str, Cost]
    cells: tuple[Cell, ...]
    classifiers: tuple[ScoredClassifier, ...] = ()
    published: tuple[PublishedRow, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def dataset_name(self) -> str:
        """The data set without the folders above it."""
        return PurePath(self.dataset).name

    @property
    def columns(self) -> list[tuple[bool | None, str]]:
        """(batch norm, noise) pairs that models were asked for, in order.

        Batch norm is None where no model that is compared has it.
        """
        pairs = list(dict.fromkeys((cell.batch_norm, cell.noise) for cell in self.cells))
        return [pair for pair in pairs if pair[0] is not None] or pairs

    @property
    def methods(self) -> list[str]:
        """Method names in the order of their rows."""
        return list(dict.fromkeys(cell.method for cell in self.cells))

    def to_frame(self) -> DataFrame:
        """One row per cell: scores, 95 % intervals (NaN where there are none) and cost. Needs pandas."""
        rows = [cell for cell in self.cells if cell.psnr is not None]
        columns = ["method", "kind", "batch_norm", "noise", "psnr", "ssim", "seconds_per_megapixel"]
        table = {name: [getattr(cell, name) for cell in rows] for name in columns}
        for name in ("psnr", "ssim"):
            intervals = [getattr(cell, f"{name}_interval") or (nan, nan) for cell in rows]
            table |= {
                f"{name}_{end}": [each[n] for each in intervals] for n, end in enumerate(("low", "high"))
            }
        return as_frame(table)

    def __repr__(self) -> str:
        return (
            f"<Results of {len(self.methods)} methods on {len(self.images)} images of {self.dataset_name}: "
            f"{', '.join(dict.fromkeys(cell.noise for cell in self.cells))}>"
        )

    __str__ = __repr__

    def cell(self, method: str, batch_norm: bool | None, noise: str) -> Cell | None:
        """The cell of a row and column; methods without batch norm stand in every column of a noise."""
        for cell in self.cells:
            if cell.method == method and cell.noise == noise and cell.batch_norm in {None, batch_norm}:
                return cell
        return None


def read_results(path: Path) -> Results:
    """Read what `denoise compare --format json` wrote.

    Raises:
        DataError: Missing, not such a file, or with something that cannot be shown.
    """
    try:
        results = Results.model_validate(read_json(path, _HINT))
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"][:4]))
        where = f": {key} is not as it should be" if key else ""
        raise DataError(f"{path} does not hold the results of a comparison{where}.", _HINT) from error
    try:
        _check(results)
    except (UsageError, ValueError) as error:
        raise DataError(f"{path} does not hold the results of a comparison: {error}", _HINT) from error
    return results


def _check(results: Results) -> None:
    """Refuse what is no result or cannot be drawn; raises `ValueError` or `UsageError`."""
    for noise in {*(cell.noise for cell in results.cells), *(each.noise for each in results.examples)}:
        parse_noise(noise)
    for cell in results.cells:
        for scores in (cell.image_psnr, cell.image_ssim):
            if len(scores) not in {0, len(results.images)}:
                raise ValueError(f"{cell.method} has {len(scores)} scores of {len(results.images)} images.")
    most = {"methods": len(results.methods), "columns": len(results.columns)}
    for example in results.examples:
        most["pictures"] = max(most.get("pictures", 0), len(example.pictures))
        sizes = {decode(picture.webp).shape for picture in example.pictures}
        left, top, side = example.crop
        height, width = min(sizes)[:2] if len(sizes) == 1 else (0, 0)
        if min(left, top) < 0 or side < 1 or left + side > width or top + side > height:
            raise ValueError(f"the crop of {example.name} is not inside its pictures.")
    counts = Counter(example.noise for example in results.examples)
    most["examples"] = max(counts.values(), default=0)
    for what, count in most.items():
        if count > _MOST[what]:
            raise ValueError(f"{count} {what} are more than can be shown.")


def decode(webp: str) -> Pixels:
    """The pixels (H, W, 3), uint8, of a picture in the results; raises `ValueError` where it is none."""
    try:
        with Image.open(BytesIO(base64.b64decode(webp, validate=True)), formats=["WEBP"]) as image:
            if max(image.size) > _LARGEST_SIDE:
                raise ValueError("it is too large")
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise almost any kind on damaged files.
        raise ValueError(f"a picture of it cannot be read ({error}).") from error
