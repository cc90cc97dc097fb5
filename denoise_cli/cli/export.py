"""`denoise export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.config import DenoiseConfig


def export(
    model: Annotated[
        str | None, typer.Argument(help="Architecture whose bundled weights are exported.")
    ] = None,
    named: options.Named = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The ONNX file, or a folder (default MODEL.onnx).")
    ] = None,
    weights: Annotated[str | None, options.option(DenoiseConfig, "weights")] = None,
    batchnorm: Annotated[
        bool, options.option(DenoiseConfig, "batch_norm", "--batchnorm/--no-batchnorm")
    ] = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a denoiser as one ONNX file, for use in other programs.

    Example: denoise export unet -o unet.onnx
    """
    from denoise_cli.onnx.export import export_onnx
    from denoise_cli.photo.runtimes.load import find_denoiser
    from denoise_cli.weights.header import read_header

    path = find_denoiser(options.one_model(model, named), batchnorm, weights)
    target = options.as_folder(output) or Path()
    if target.is_dir():
        target /= f"{read_header(path).name}.onnx"
    export_onnx(path, target, overwrite=overwrite)
    console.note(f"{path} -> {target}")
    console.note("Input: image (1, 3, height, width), RGB in [0, 1]; output: denoised, the same.")
