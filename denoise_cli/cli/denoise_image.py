"""`denoise denoise-image`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from denoise_cli.cli import options
from denoise_cli.cli.options import RESULT, RUN
from denoise_cli.cli.photo_report import Extras
from denoise_cli.cli.run_photos import run
from denoise_cli.config import DenoiseConfig, load_config

_option = partial(options.option, DenoiseConfig)
_MANY = "Many photos"
_PATHS = "Photos, folders, glob patterns, or - for standard input."


def denoise_image(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=_PATHS)],
    model: Annotated[str | None, _option("model")] = None,
    weights: Annotated[str | None, _option("weights")] = None,
    sigma: Annotated[str | None, _option("sigma")] = None,
    batchnorm: Annotated[bool | None, _option("batch_norm", "--batchnorm/--no-batchnorm")] = None,
    strength: Annotated[str | None, _option("strength")] = None,
    luma: Annotated[str | None, _option("luma")] = None,
    chroma: Annotated[str | None, _option("chroma")] = None,
    detail: Annotated[float | None, typer.Option(hidden=True)] = None,
    reference: Annotated[
        str | None, typer.Option(help="Clean picture to compare with: prints PSNR and SSIM.")
    ] = None,
    output: Annotated[str | None, _option("output", panel=RESULT)] = None,
    overwrite: Annotated[bool, _option("overwrite", "--overwrite", panel=RESULT)] = False,
    format: Annotated[str | None, _option("format", panel=RESULT)] = None,
    quality: Annotated[str | None, _option("quality", panel=RESULT)] = None,
    bits: Annotated[str | None, _option("bits", panel=RESULT)] = None,
    side_by_side: Annotated[
        bool,
        typer.Option(
            "--side-by-side",
            help="Also write NAME.compare.png: before, after, details.",
            rich_help_panel=RESULT,
        ),
    ] = False,
    recursive: Annotated[bool | None, _option("recursive", "--recursive", panel=_MANY)] = None,
    skip_existing: Annotated[bool | None, _option("skip_existing", "--skip-existing", panel=_MANY)] = None,
    shard: Annotated[str | None, _option("shard", panel=_MANY, metavar="I/N")] = None,
    tile: Annotated[str | None, _option("tile", panel=RUN)] = None,
    max_pixels: Annotated[str | None, _option("max_pixels", panel=RUN, metavar="MEGAPIXELS")] = None,
    runtime: Annotated[str | None, _option("runtime", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
    config: options.Config = None,
    set: options.Set = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per photo.")] = False,
) -> None:
    """Remove the noise from photos.

    Example: denoise denoise-image holiday.jpg
    """
    flags: dict[str, Any] = {
        **options.model_or_weights(model, weights),
        "batch_norm": batchnorm,
        "sigma": sigma,
        "strength": strength,
        "luma": luma,
        "chroma": chroma,
        "detail": detail,
        "overwrite": overwrite or None,
        "format": format,
        "quality": quality,
        "bits": bits,
        "recursive": recursive,
        "skip_existing": skip_existing,
        "shard": shard,
        "tile": tile,
        "max_pixels": max_pixels,
        "runtime": runtime,
        "device": device,
    }
    extras = Extras(options.as_path("--reference", reference), side_by_side, json)
    with options.output_path(output) as flags["output"]:
        run(paths, load_config(DenoiseConfig, config, set or [], flags), extras)
