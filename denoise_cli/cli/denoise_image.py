"""`denoise denoise-image`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.config import DenoiseConfig, load_config

_HELP = DenoiseConfig.help_of


def denoise_image(
    path: Annotated[Path, typer.Argument(help="The photo.")],
    model: Annotated[str | None, typer.Option(help=_HELP("model"))] = None,
    weights: options.Weights = None,
    batchnorm: options.BatchNorm = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help=_HELP("output"))] = None,
    overwrite: options.Overwrite = False,
    tile: Annotated[str | None, typer.Option(help=_HELP("tile"))] = None,
    device: options.Device = None,
    config: options.Config = None,
    set: options.Set = None,
) -> None:
    """Remove the noise from a photo.

    Example: denoise denoise-image holiday.jpg
    """
    flags = {
        "model": model,
        "weights": weights,
        "batch_norm": batchnorm,
        "output": output,
        "overwrite": overwrite or None,
        "tile": tile,
        "device": device,
    }
    run(path, load_config(DenoiseConfig, config, set or [], flags))


def run(path: Path, config: DenoiseConfig) -> None:
    """Denoise one photo and say where the result is."""
    from denoise_cli.photo.denoiser import load_denoiser
    from denoise_cli.photo.job import Settings, default_output, denoise_file

    output = config.output or default_output(path, None)
    denoiser = load_denoiser(
        config.model, batch_norm=config.batch_norm, weights=config.weights, device=config.device
    )
    settings = Settings(tile=config.tile, overwrite=config.overwrite)
    result = denoise_file(path, output, denoiser, settings)
    console.note(f"{path} -> {result.output}")
