"""`denoise export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.config import DenoiseConfig
from denoise_cli.errors import UnknownName, UsageError

_FORMATS = ("onnx", "darktable")


def export(
    model: Annotated[
        str | None, typer.Argument(help="Architecture whose bundled weights are exported.")
    ] = None,
    named: options.Named = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The file, or a folder (default MODEL.onnx or MODEL.dtmodel)."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="|".join(_FORMATS), help="What to write (default: by the output's name)."
        ),
    ] = None,
    weights: Annotated[str | None, options.option(DenoiseConfig, "weights")] = None,
    batchnorm: Annotated[
        bool, options.option(DenoiseConfig, "batch_norm", "--batchnorm/--no-batchnorm")
    ] = True,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a denoiser as one ONNX file for other programs, or as a package for darktable.

    Examples: denoise export unet -o unet.onnx; denoise export photo_unet --format darktable
    """
    from denoise_cli.onnx.darktable import SUFFIX, export_darktable
    from denoise_cli.onnx.export import export_onnx
    from denoise_cli.photo.runtimes.load import find_denoiser
    from denoise_cli.weights.header import read_header

    path = find_denoiser(options.one_model(model, named), batchnorm, weights)
    target = options.as_folder(output) or Path()
    kind = _format(format, target, SUFFIX)
    if target.is_dir():
        target /= f"{read_header(path).name}{SUFFIX if kind == 'darktable' else '.onnx'}"
    if kind == "darktable":
        export_darktable(path, target, overwrite=overwrite)
        console.note(f"{path} -> {target}")
        console.note("In darktable: preferences, AI, import from file.")
        return
    export_onnx(path, target, overwrite=overwrite)
    console.note(f"{path} -> {target}")
    console.note("Input: image (1, 3, height, width), RGB in [0, 1]; output: denoised, the same.")


def _format(given: str | None, target: Path, package: str) -> str:
    """`onnx` or `darktable`; raises `UsageError` where the file's name says the other one."""
    named = {package: "darktable", ".onnx": "onnx"}.get(target.suffix.lower())
    kind = (given or named or "onnx").lower()
    if kind not in _FORMATS:
        raise UnknownName("format", kind, _FORMATS)
    if named is not None and named != kind:
        raise UsageError(
            f"--format {kind} does not fit the file name {target.name}.", "Leave one of them out."
        )
    return kind
