"""`denoise train`."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated

from denoise_cli.cli import options
from denoise_cli.cli.console import TrainingDisplay, console
from denoise_cli.cli.options import IMAGES, RUN
from denoise_cli.config import ClassifyConfig, RunConfig, TestConfig, TrainConfig, load_config
from denoise_cli.config.yaml import read_yaml
from denoise_cli.errors import ConfigError, UsageError, counted, quoted
from denoise_cli.models.registry import denoiser_info, either, guided_names
from denoise_cli.noise.spec import REAL
from denoise_cli.runs import RunFolder

_option = partial(options.option, TrainConfig)


def train(
    model: Annotated[str | None, options.argument(TrainConfig, "model")] = None,
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
    classifier: Annotated[str | None, _option("classifier")] = None,
    seed: Annotated[str | None, _option("seed", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
    compile: Annotated[str | None, _option("compile", panel=RUN)] = None,
    log: Annotated[str | None, _option("log", panel=RUN)] = None,
    output: Annotated[str | None, _option("out", panel=RUN)] = None,
    config: options.Config = None,
    set: options.Set = None,
    resume: options.Resume = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Train a denoiser; leaves a run folder with its weights, config and scores.

    Example: denoise train unet --dataset stl10
    """
    flags = {
        "model": options.one_model(model, named, "Go on with it: denoise train --resume {}"),
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "noise": noise,
        "batch_norm": batchnorm,
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size,
        "optim.lr": lr,
        "patience": patience,
        "classifier": classifier,
        "seed": seed,
        "device": device,
        "compile": compile,
        "log": log,
        "out": output if resume is None else resume,
    }
    file = config_file(TrainConfig, config, resume, output)
    settings = load_config(TrainConfig, file, set or [], flags)
    if denoiser_info(settings.model).classifier is None:
        options.check_effective(
            {"--classifier": classifier},
            f"on {settings.model}, which no classifier guides",
            f"Leave it out, or train {either(guided_names())}.",
        )
    trained = run(settings, resume is not None, overwrite)
    if trained is not None:
        console.note(f"Next: {_next_command(trained.parent)}")


def _next_command(folder: Path) -> str:
    """What to do with a finished run: score it, or clean a photo where there is no one data set to score.

    Its own config knows what a default was taken for.
    """
    from denoise_cli.data.pairs import is_paired

    config = load_config(TrainConfig, str(folder / "config.yaml"), [], {})
    weights = f"--weights {quoted(folder)}"
    if config.data.mix:
        return f"denoise denoise-image PHOTO {weights}"
    where = "" if config.data.data_dir is None else f" --data-dir {quoted(config.data.data_dir)}"
    noise = config.scoring_noise
    usual = REAL.name if is_paired(Path(config.data.dataset)) else TestConfig.field_of("noise").default
    under = "" if noise == usual else f" --noise {quote(noise)}"
    return f"denoise test {weights} --dataset {quote(config.data.dataset)}{where}{under}"


def config_file(
    kind: type[RunConfig], config: str | None, resume: Path | None, output: str | None
) -> str | None:
    """The config to load: of the run to continue, or `config`.

    Raises:
        UsageError: There is no such run, it is one of the other kind, or `config` or `output`
            contradicts it.
    """
    if resume is None:
        return config
    if config is not None or output is not None:
        raise UsageError(
            "--resume continues a run in its own folder by its own config.",
            "Leave out --config and --output.",
        )
    file = RunFolder(resume).config
    if not file.is_file():
        raise UsageError(f"There is no run folder {resume}.", "List them: denoise runs")
    with suppress(ConfigError):  # It is said where the config is read.
        _check_kind(kind, file, resume)
    return str(file)


def _check_kind(kind: type[RunConfig], file: Path, resume: Path) -> None:
    """Refuse to go on with a classifier's run as a denoiser's, or the other way round."""
    other = TrainConfig if kind is ClassifyConfig else ClassifyConfig
    keys, ours, theirs = set(read_yaml(file)), set(kind.model_fields), set(other.model_fields)
    if keys & (theirs - ours) and not keys & (ours - theirs):
        what, command = ("denoiser", "train") if other is TrainConfig else ("classifier", "classify")
        raise UsageError(
            f"{resume} is the run of a {what}.", f"Go on with it: denoise {command} --resume {quoted(resume)}"
        )


def run(config: RunConfig, resume: bool, overwrite: bool) -> Path | None:
    """Train with a display and return the weight file; None on all processes but the first."""
    from denoise_cli.training.run import train as run_training

    display = TrainingDisplay(console)
    try:
        result = run_training(config, display, resume=resume, overwrite=overwrite)
    finally:
        display.close()
    if result is None:
        return None
    console.note(
        f"Done: {counted(result.steps, 'step')} in {result.seconds:.0f} s. Weights: {result.weights}"
    )
    return result.weights
