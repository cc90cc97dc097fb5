"""Summaries of `denoise test` and of the test of `denoise classify`: what `--json` prints."""

from __future__ import annotations

from pydantic import Field

from denoise_cli.evaluation.report.record import Interval, Made, Record


class TestSummary(Made):
    """Scores of one denoiser on one data set.

    Intervals are 95 % intervals over images (over photos, where images are crops of photos), by
    Student's t; None for a single one. A score is not finite where an image equals its original or a
    network's output is not finite; it is left out of the mean and counted. JSON has null for it.
    """

    __test__ = False

    model: str
    batch_norm: bool
    weights: str
    """Path, or `bundled`."""
    sha256: str
    """Of the weight file."""
    trained_on: str
    """Noise that it was trained on."""
    guidance: str | None
    """Source of a guided denoiser; None for all others."""
    noise: str
    dataset: str
    n: int
    """Images."""
    skipped: tuple[str, ...]
    """Files that were left out, with the reason."""
    notes: tuple[str, ...] = ()
    """What must be known beside the scores."""
    seed: int
    """Of the test noise."""
    device: str
    seconds_per_image: float
    paper_psnr: float | None
    """By the study's protocol, pooled over batches; None unless asked for."""
    paper_ssim: float | None
    psnr: float
    """Of the denoised images, in dB."""
    psnr_interval: Interval | None
    psnr_left_out: int
    """Images without a finite score, which the mean leaves out."""
    ssim: float
    ssim_interval: Interval | None
    ssim_left_out: int
    noisy_psnr: float
    noisy_psnr_interval: Interval | None
    noisy_ssim: float
    noisy_ssim_interval: Interval | None


class Accuracy(Record):
    """A share of correct images with its 95 % interval, by Wilson's score."""

    mean: float
    interval: Interval


class ClassAccuracy(Record):
    """Accuracy on the noisy images of one class."""

    name: str = Field(serialization_alias="class")
    n: int
    """Images."""
    accuracy: float


class ClassifierSummary(Made):
    """Accuracy of one classifier on one data set."""

    model: str
    batch_norm: bool
    weights: str
    sha256: str
    trained_on: str
    """Noise that it was trained on."""
    noise: str
    denoiser: str | None
    """Weights of the denoiser that cleans the images; None without one."""
    dataset: str
    n: int
    """Images."""
    seed: int
    """Of the test noise."""
    device: str
    accuracy: dict[str, Accuracy]
    """Of `clean`, `noisy` and, with a denoiser, `denoised` images."""
    per_class: tuple[ClassAccuracy, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What must be known beside the accuracy."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts on the noisy images: rows are true classes, columns predicted ones."""
