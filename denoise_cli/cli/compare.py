"""`denoise compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.cli.sheets import show_results
from denoise_cli.config import CompareConfig, load_config

_OUTPUT = "Output"


def compare(
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="The study's 20 cells: every model, with and without batch norm, both noises."
        ),
    ] = False,
    models: Annotated[str | None, typer.Option(help=CompareConfig.help_of("models"))] = None,
    batchnorm: Annotated[
        bool | None,
        typer.Option(
            "--batchnorm/--no-batchnorm",
            help="Only with, or only without, batch norm (default: with; --all takes both).",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[str | None, typer.Option(help=CompareConfig.help_of("noise"))] = None,
    weights: Annotated[Path | None, typer.Option(help=CompareConfig.help_of("weights"))] = None,
    dataset: options.Dataset = None,
    data_dir: options.DataDir = None,
    limit: options.Limit = None,
    protocol: Annotated[str | None, typer.Option(help=CompareConfig.help_of("protocol"))] = None,
    seed: options.Seed = None,
    device: options.Device = None,
    config: options.Config = None,
    set: options.Set = None,
) -> None:
    """Compare denoisers: models, with and without batch norm, under several noises.

    Example: denoise compare --all
    """
    flags = {
        "models": models,
        "batch_norm": None if batchnorm is None else [batchnorm],
        "noise": noise,
        "weights": weights,
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "data.limit": limit,
        "protocol": protocol,
        "seed": seed,
        "device": device,
    }
    if everything and batchnorm is None:
        flags["batch_norm"] = [True, False]
    settings = load_config(CompareConfig, config, set or [], flags)

    from denoise_cli.evaluation.grid import run_grid

    results = run_grid(settings, console.progress)
    if results is not None:
        show_results(results)
