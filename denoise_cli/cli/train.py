"""`denoise train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import TrainingDisplay, console
from denoise_cli.config import RunConfig, TrainConfig, load_config
from denoise_cli.errors import UsageError
from denoise_cli.runs import RunFolder


def train(
    model: Annotated[str | None, typer.Argument(help=TrainConfig.help_of("model"))] = None,
    dataset: options.Dataset = None,
    data_dir: options.DataDir = None,
    noise: options.Noise = None,
    batchnorm: options.BatchNorm = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    batch_size: options.BatchSize = None,
    lr: options.LearningRate = None,
    classifier: Annotated[str | None, typer.Option(help=TrainConfig.help_of("classifier"))] = None,
    seed: options.Seed = None,
    device: options.Device = None,
    compile: options.Compile = None,
    out: options.RunOut = None,
    config: options.Config = None,
    set: options.Set = None,
    resume: options.Resume = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Train a denoiser; leaves a run folder with its weights, config and scores.

    Example: denoise train unet --dataset stl10
    """
    flags = {
        "model": model,
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "noise": noise,
        "batch_norm": batchnorm,
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size,
        "optim.lr": lr,
        "classifier": classifier,
        "seed": seed,
        "device": device,
        "compile": compile,
        "out": out if resume is None else resume,
    }
    file = config_file(config, resume, out)
    run(load_config(TrainConfig, file, set or [], flags), resume is not None, overwrite)


def config_file(config: str | None, resume: Path | None, out: Path | None) -> str | None:
    """The config to load: that of the run to continue, or `config`.

    Raises:
        UsageError: There is no such run, or `config` or `out` contradicts it.
    """
    if resume is None:
        return config
    if config is not None or out is not None:
        raise UsageError(
            "--resume continues a run in its own folder by its own config.", "Leave --config and --out out."
        )
    file = RunFolder(resume).config
    if not file.is_file():
        raise UsageError(f"There is no run folder {resume}.", "List them: denoise runs")
    return str(file)


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
    console.note(f"Done: {result.steps} steps in {result.seconds:.0f} s. Weights: {result.weights}")
    return result.weights
