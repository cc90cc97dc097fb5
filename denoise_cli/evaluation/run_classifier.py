"""Test one classifier on one data set: `denoise classify`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from denoise_cli.config import ClassifyConfig
from denoise_cli.data.load import load_dataset
from denoise_cli.data.source import Images, ImageSource, for_classifier
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import launched_device
from denoise_cli.evaluation.report.figure import save_figure
from denoise_cli.evaluation.report.record import made_now
from denoise_cli.evaluation.report.replace import check_replaceable
from denoise_cli.evaluation.report.summaries import Accuracy, ClassAccuracy, ClassifierSummary
from denoise_cli.evaluation.scores.classification import Classification, as_trained, classify_images
from denoise_cli.evaluation.scores.intervals import share_interval
from denoise_cli.evaluation.scores.leakage import kept_share, leakage_notes
from denoise_cli.evaluation.scores.test_images import Report, load_test_model
from denoise_cli.files import atomic_write_path, sha256, write_atomic
from denoise_cli.noise.spec import parse_noise
from denoise_cli.text import in_chart
from denoise_cli.weights.files import load_classifier
from denoise_cli.weights.header import WeightsHeader, reject_external_guidance

# Classes in the picture of a confusion matrix.
_DRAWN = 24


@dataclass(frozen=True, slots=True)
class Guess:
    """A class and its probability."""

    name: str
    probability: float


def test_classifier(
    config: ClassifyConfig, weights: Path, denoiser: str | None, folder: Path, *, overwrite: bool
) -> Report[ClassifierSummary]:
    """Accuracy on clean, noisy and, with a denoiser, denoised test images.

    Args:
        config: Names the images, the noise, the seed and the device.
        weights: Holds the classifier, alone or inside a guided denoiser.
        denoiser: Weight file or run of the denoiser, or None.
        folder: Gets `scores.json`; `draw_confusion` draws into it what is returned.
        overwrite: Replace results of other requests too.

    Raises:
        DataError: No labels, or classes that the classifier does not know.
        WeightsError: Not there, of another kind, or a denoiser that needs the true classes.
        OutputExists: The folder holds results of another request.
    """
    request = config.model_dump(mode="json", exclude={"device", "out"}) | {
        "weights": str(weights),
        "denoiser": denoiser,
    }
    check_replaceable(folder / "scores.json", request, overwrite)
    architecture, model = load_classifier(weights)
    device = resolve_device(launched_device(config.device))
    share = kept_share([weights], config.data.dataset)
    source = _load_images(config, architecture, share)
    noise = parse_noise(config.scoring_noise)
    cleaner = None if denoiser is None else _load_cleaner(denoiser, device)

    def classify(*, noisy: bool, cleaner: nn.Module | None = None) -> Classification:
        return classify_images(
            model.to(device),
            source,
            noise if noisy else (),
            device=device,
            seed=config.seed,
            denoiser=cleaner,
        )

    results = {"clean": classify(noisy=False), "noisy": classify(noisy=True)}
    if cleaner is not None:
        results["denoised"] = classify(noisy=True, cleaner=cleaner)
    summary = ClassifierSummary(
        model=config.model,
        batch_norm=architecture.batch_norm,
        weights=str(weights),
        sha256=sha256(weights),
        trained_on=architecture.noise,
        noise=config.scoring_noise,
        denoiser=denoiser,
        dataset=config.data.dataset,
        n=len(source),
        seed=config.seed,
        device=str(device),
        accuracy={name: _accuracy(result, source) for name, result in results.items()},
        per_class=_per_class(results["noisy"], source.classes),
        classes=source.classes,
        notes=leakage_notes([weights], config.data.dataset, share, len(source)),
        confusion=confusion_matrix(results["noisy"], len(source.classes)).tolist(),
        **made_now(),
    )
    predicted = {name: result.predicted.tolist() for name, result in results.items()}
    report = Report(summary, folder)
    record = {**report.rows(), "request": request, "images": list(source.names), "predicted": predicted}
    check_replaceable(folder / "scores.json", request, overwrite)  # another command may have ended first
    write_atomic(folder / "scores.json", (json.dumps(record) + "\n").encode())
    return report


def _load_cleaner(weights: str, device: torch.device) -> nn.Module:
    architecture, model = load_test_model(None, batch_norm=None, weights=weights)
    reject_external_guidance(architecture, weights)
    return model.to(device)


def confusion_matrix(result: Classification, classes: int) -> Tensor:
    """(K, K) counts: rows are true classes, columns predicted ones."""
    flat = result.labels * classes + result.predicted
    return torch.bincount(flat, minlength=classes**2).view(classes, classes)


@torch.inference_mode()
def classify_picture(weights: Path, pixels: NDArray[np.uint8], device: str) -> list[Guess]:
    """All classes with their probabilities for one picture, (H, W, 3), the likeliest first."""
    architecture, model = load_classifier(weights)
    place = resolve_device(device)
    source = ImageSource.from_arrays("picture", [pixels], ["picture"])
    x = for_classifier(source, architecture.image_size).image(0)[None].to(place).float() / 255
    probabilities = model.to(place)(x).float().softmax(1)[0].cpu()
    order = probabilities.argsort(descending=True).tolist()
    return [Guess(architecture.classes[i], float(probabilities[i])) for i in order]


def _load_images(config: ClassifyConfig, architecture: WeightsHeader, share: float = 0.0) -> Images:
    """The test images, prepared as those that a run of this config is validated on."""
    data = config.data
    source = load_dataset(data.dataset, "test", data_dir=data.data_dir, test_share=share)
    source = source.with_classes(architecture.classes)
    return as_trained(source, architecture.image_size, data.resize, data.crop)


def _accuracy(result: Classification, source: Images) -> Accuracy:
    groups = None if source.groups is None else source.groups.numpy()
    correct = result.correct.double().numpy()
    return Accuracy(mean=float(correct.mean()), interval=share_interval(correct, groups))


def _per_class(result: Classification, classes: tuple[str, ...]) -> tuple[ClassAccuracy, ...]:
    """Accuracy of each class that occurs."""
    rows = []
    for label, name in enumerate(classes):
        correct = result.correct[result.labels == label]
        if len(correct):
            accuracy = float(correct.double().mean())
            rows.append(ClassAccuracy(name=name, n=len(correct), accuracy=accuracy))
    return tuple(rows)


def draw_confusion(report: Report[ClassifierSummary]) -> None:
    """Draw the confusion matrix of a test with its counts, as `confusion.png` in its folder.

    Rows add up to the images of a class. Of many classes only those that are confused most are
    drawn, since the time and memory of a picture of all grow with their square.
    """
    summary = report.summary
    whole = torch.tensor(summary.confusion)
    chosen = most_confused(whole)
    shares = (whole / whole.sum(1, keepdim=True).clamp(min=1))[chosen][:, chosen]
    counts = whole[chosen][:, chosen]
    names = [in_chart(summary.classes[label]) for label in chosen.tolist()]
    figure = Figure(figsize=(2.2 + 0.55 * len(names), 1.8 + 0.55 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true class")
    title = f"{summary.model}, {in_chart(summary.noise)} noise: accuracy {summary.accuracy['noisy'].mean:.3f}"
    part = f"\nthe {len(names)} most confused of {len(whole)} classes" if len(names) < len(whole) else ""
    axes.set_title(title + part)
    for row, line in enumerate(counts.tolist()):
        for column, count in enumerate(line):
            colour = "white" if shares[row, column] > 0.5 else "black"
            # Out of the layout, which would measure each of them: they are inside the axes.
            axes.text(
                column, row, str(count), ha="center", va="center", color=colour, fontsize=8, in_layout=False
            )
    with atomic_write_path(report.folder / "confusion.png") as temporary:
        save_figure(figure, temporary, dpi=110)


def most_confused(counts: Tensor) -> Tensor:
    """The classes of (K, K) counts to draw, in order: all, or those with the most errors from or to them."""
    errors = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    return errors.argsort(descending=True, stable=True)[:_DRAWN].sort().values
