"""`denoise classify`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console, make_table
from denoise_cli.cli.options import IMAGES, RUN
from denoise_cli.cli.train import config_file, run
from denoise_cli.config import ClassifyConfig, load_config
from denoise_cli.errors import UsageError, WeightsError, counted, quoted
from denoise_cli.models.registry import CLASSIFIERS, classifier_info, denoiser_info, guided_names

if TYPE_CHECKING:
    from denoise_cli.evaluation.report.summaries import ClassifierSummary

_TOP = 5
_option = partial(options.option, ClassifyConfig)


def classify(
    model: Annotated[str | None, options.argument(ClassifyConfig, "model")] = None,
    named: options.Named = None,
    dataset: Annotated[str | None, _option("data.dataset", panel=IMAGES)] = None,
    data_dir: Annotated[str | None, _option("data.data_dir", panel=IMAGES)] = None,
    noise: Annotated[str | None, _option("noise", panel=IMAGES)] = None,
    batchnorm: Annotated[bool | None, _option("batch_norm", "--batchnorm/--no-batchnorm")] = None,
    epochs: Annotated[str | None, _option("epochs")] = None,
    steps: Annotated[str | None, _option("steps")] = None,
    batch_size: Annotated[str | None, _option("batch_size")] = None,
    lr: Annotated[str | None, _option("optim.lr")] = None,
    patience: Annotated[str | None, _option("patience")] = None,
    eval_only: Annotated[bool, typer.Option("--eval-only", help="Test without training.")] = False,
    image: Annotated[str | None, typer.Option(help="Name what is in this picture instead.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A weight file or run to test (default: the classifier of a bundled guided denoiser)."
        ),
    ] = None,
    denoiser: Annotated[
        str | None,
        typer.Option(
            help="Weight file or run that cleans the test images (default: what it may guide, bundled)."
        ),
    ] = None,
    seed: Annotated[str | None, _option("seed", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
    compile: Annotated[str | None, _option("compile", panel=RUN)] = None,
    log: Annotated[str | None, _option("log", panel=RUN)] = None,
    output: Annotated[str | None, _option("out", panel=RUN)] = None,
    config: options.Config = None,
    set: options.Set = None,
    resume: options.Resume = None,
    overwrite: options.Overwrite = False,
    format: options.FormatOption = None,
    json: options.Json = False,
) -> None:
    """Train a classifier on noisy images and test it; or name what a picture shows.

    Examples: denoise classify cnn --dataset stl10; denoise classify cnn --image photo.png
    """
    as_json = options.chosen_format(format, json) == "json"
    if weights is not None and not (eval_only or image):
        raise UsageError(
            "--weights names what to test.", "Add --eval-only, or train from weights with --set init=RUN."
        )
    picture = options.as_path("--image", image)
    if eval_only or picture:
        training: dict[str, object] = {
            "--epochs": epochs,
            "--steps": steps,
            "--batch-size": batch_size,
            "--lr": lr,
            "--patience": patience,
        }
        training |= {"--compile": compile, "--log": log, "--resume": resume}
        options.check_effective(
            training, f"with {'--image' if picture else '--eval-only'}, which trains nothing", "Leave it out."
        )
    if picture:
        options.check_effective(
            {"--denoiser": denoiser, "--output": output, "--dataset": dataset, "--noise": noise},
            "with --image, which names one picture",
            "Leave it out.",
        )
    flags: dict[str, Any] = {
        "model": options.one_model(
            model, named, "Test it: denoise classify --weights {} --eval-only --dataset DATASET"
        ),
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "noise": noise,
        "batch_norm": batchnorm,
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size,
        "optim.lr": lr,
        "patience": patience,
        "seed": seed,
        "device": device,
        "compile": compile,
        "log": log,
        "out": output if resume is None else resume,
    }
    if weights is not None:
        flags |= _held_by(weights, flags["model"], batchnorm)
    elif picture is not None and config is None:
        flags["model"] = flags["model"] or CLASSIFIERS.default
    file = config_file(ClassifyConfig, config, resume, output)
    settings = load_config(ClassifyConfig, file, set or [], flags)
    if picture is not None:
        _show_guesses(settings, weights, picture, as_json)
        return
    if eval_only:
        path: Path | None = _find(settings, weights)
        folder = settings.out or Path("results") / f"{settings.folder.name}{_suffix_of(weights)}"
    else:
        path = run(settings, resume is not None, overwrite)
        folder = settings.folder / "test"
    if settings.data.mix:
        # A mixture has no test images, so the first data set is tested.
        item = settings.data.mix[0]
        first = {"dataset": item.dataset, "crop": item.crop or settings.data.crop}
        settings = settings.model_copy(update={"data": settings.data.model_copy(update=first)})
    if path is not None:
        _test(settings, path, denoiser, folder, overwrite or not eval_only, as_json)
        guided = [name for name in guided_names() if denoiser_info(name).classifier == settings.model]
        if guided and not eval_only:
            data = quote(settings.data.dataset)
            console.note(
                f"Next: denoise train {guided[0]} --classifier {quoted(settings.folder)} --dataset {data}"
            )


def _held_by(weights: str, model: str | None, batch_norm: bool | None) -> dict[str, Any]:
    """Model and batch-norm setting of the classifier in a weight file, as flags.

    Raises:
        UsageError: Others are asked for.
    """
    from denoise_cli.models.registry import DENOISERS
    from denoise_cli.weights.header import check_batch_norm, has_no_classifier, read_header
    from denoise_cli.weights.store import find_weights

    header = read_header(find_weights(weights))
    name = header.name if header.kind == "classifier" else DENOISERS[header.name].classifier
    if name is None:
        raise has_no_classifier(weights, header)
    if model is not None and classifier_info(model).name != name:
        raise UsageError(f"{weights} holds the classifier {name}, not {model}.", "Leave MODEL out.")
    check_batch_norm(weights, header, batch_norm)
    return {"model": name, "batch_norm": header.batch_norm}


def _suffix_of(weights: str | None) -> str:
    """What tells results of other weights from those of the bundled ones."""
    from denoise_cli.weights.store import find_weights, label_of

    label = "" if weights is None else label_of(find_weights(weights))
    return f"-{label}" if label else ""


def _find(config: ClassifyConfig, weights: str | None) -> Path:
    from denoise_cli.weights.store import find_classifier

    return find_classifier(config.model, config.batch_norm, (), weights)


def _show_guesses(config: ClassifyConfig, weights: str | None, image: Path, json: bool) -> None:
    if not image.is_file():
        raise UsageError(f"There is no picture {image}.")
    from denoise_cli.cli.streams import without_library_messages
    from denoise_cli.evaluation.run_classifier import classify_picture

    with without_library_messages():
        from denoise_cli.photo.upright import read_upright

        pixels = read_upright(image)
    guesses = classify_picture(_find(config, weights), pixels, config.device)[:_TOP]
    if json:
        console.json([{"class": guess.name, "probability": guess.probability} for guess in guesses])
        return
    table = make_table(f"{image.name}, by {config.model}", "class", "probability")
    for guess in guesses:
        table.add_row(guess.name, f"{100 * guess.probability:.1f} %")
    console.show(table)


def _test(
    config: ClassifyConfig, path: Path, denoiser: str | None, folder: Path, overwrite: bool, json: bool
) -> None:
    from denoise_cli.evaluation.run_classifier import draw_confusion, test_classifier
    from denoise_cli.models.registry import unguided_by
    from denoise_cli.weights.store import find_bundled

    if denoiser is None:
        try:
            denoiser = str(find_bundled(unguided_by(config.model), batch_norm=True))
        except WeightsError:
            console.note("No denoiser is bundled: name one with --denoiser to see what denoising is worth.")
    report = test_classifier(config, path, denoiser, folder, overwrite=overwrite)
    if json:
        console.json(report.rows())
    else:
        for note in report.summary.notes:
            console.note(note)
        _show(report.summary)
    draw_confusion(report)
    console.note(f"Confusion matrix and predictions: {report.folder}")


def _show(row: ClassifierSummary) -> None:
    table = make_table(
        f"{row.model} on {row.dataset} ({counted(row.n, 'image')}), {row.noise} noise",
        "images",
        "accuracy",
        "95 % interval",
    )
    for name, score in row.accuracy.items():
        table.add_row(name, f"{score.mean:.4f}", "{:.4f} to {:.4f}".format(*score.interval))
    console.show(table)
    table = make_table("Noisy images by class", "class", "images", "accuracy")
    for line in row.per_class:
        table.add_row(line.name, str(line.n), f"{line.accuracy:.3f}")
    console.show(table)
