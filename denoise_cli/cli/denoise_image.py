"""`denoise denoise-image`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from denoise_cli.cli import options
from denoise_cli.cli.photos import Extras, run
from denoise_cli.config import DenoiseConfig, load_config

_HELP = DenoiseConfig.help_of
_RESULT, _MANY, _HOW = "Result", "Many photos", "Run"
_PATHS = "Photos, folders, glob patterns, or - for standard input."


def denoise_image(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=_PATHS)],
    model: Annotated[str | None, typer.Option(help=_HELP("model"))] = None,
    weights: options.Weights = None,
    batchnorm: options.BatchNorm = None,
    strength: Annotated[float | None, typer.Option(help=_HELP("strength"))] = None,
    luma: Annotated[float | None, typer.Option(help=_HELP("luma"))] = None,
    chroma: Annotated[float | None, typer.Option(help=_HELP("chroma"))] = None,
    detail: Annotated[float | None, typer.Option(hidden=True)] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Clean picture to compare with: prints PSNR and SSIM.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help=_HELP("output"), rich_help_panel=_RESULT)
    ] = None,
    overwrite: options.Overwrite = False,
    format: Annotated[str | None, typer.Option(help=_HELP("format"), rich_help_panel=_RESULT)] = None,
    quality: Annotated[int | None, typer.Option(help=_HELP("quality"), rich_help_panel=_RESULT)] = None,
    bits: Annotated[int | None, typer.Option(help=_HELP("bits"), rich_help_panel=_RESULT)] = None,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side",
            help="Also write NAME.compare.png: before, after, details.",
            rich_help_panel=_RESULT,
        ),
    ] = False,
    recursive: Annotated[
        bool | None, typer.Option("--recursive", help=_HELP("recursive"), rich_help_panel=_MANY)
    ] = None,
    skip_existing: Annotated[
        bool | None, typer.Option("--skip-existing", help=_HELP("skip_existing"), rich_help_panel=_MANY)
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help=_HELP("shard"), rich_help_panel=_MANY)
    ] = None,
    tile: Annotated[str | None, typer.Option(help=_HELP("tile"), rich_help_panel=_HOW)] = None,
    runtime: Annotated[str | None, typer.Option(help=_HELP("runtime"), rich_help_panel=_HOW)] = None,
    device: options.Device = None,
    config: options.Config = None,
    set: options.Set = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per photo.")] = False,
) -> None:
    """Remove the noise from photos.

    Example: denoise denoise-image holiday.jpg
    """
    flags: dict[str, Any] = {
        "model": model,
        "weights": weights,
        "batch_norm": batchnorm,
        "strength": strength,
        "luma": luma,
        "chroma": chroma,
        "detail": detail,
        "output": options.as_folder(output),
        "overwrite": overwrite or None,
        "format": format,
        "quality": quality,
        "bits": bits,
        "recursive": recursive,
        "skip_existing": skip_existing,
        "shard": shard,
        "tile": tile,
        "runtime": runtime,
        "device": device,
    }
    extras = Extras(reference, side_by_side, json)
    run(paths, load_config(DenoiseConfig, config, set or [], flags), extras)
