"""`denoise export`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.cli import complete, options
from denoise_cli.cli.console import console
from denoise_cli.config import DenoiseConfig
from denoise_cli.errors import UnknownName, UsageError, quoted

_FORMATS = ("onnx", "darktable", "hub")


def export(
    model: Annotated[
        str | None, typer.Argument(help="Architecture whose bundled weights are exported, or a run or file.")
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
    weights: Annotated[
        str | None,
        typer.Option(
            help="A weight file, run folder or hf:OWNER/NAME instead of the bundled weights.",
            metavar="TEXT",
            autocompletion=complete.weights,
        ),
    ] = None,
    batchnorm: Annotated[
        bool | None, options.option(DenoiseConfig, "batch_norm", "--batchnorm/--no-batchnorm")
    ] = None,
    opset: Annotated[
        int | None, typer.Option(help="Version of ONNX's operator set (15 to 23; default: 18).")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store weights in half the space (ONNX: float16 weights).")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a denoiser as one ONNX file for other programs, as a package for darktable, or for a hub.

    Examples: denoise export unet -o unet.onnx; denoise export photo_unet --format darktable;
    denoise export --weights runs/mine --format hub
    """
    from denoise_cli.onnx.darktable import SUFFIX

    chosen = options.one_model(model, named)
    with options.output_path(output) as target:
        kind = _format(format, target or Path(), SUFFIX)
        if kind != "onnx":
            onnx_only = {"--opset": opset, "--half": half}
            options.check_effective(onnx_only, f"with --format {kind}", "Leave it out.")
        path = _find(chosen, batchnorm, weights, kind)
        _write(path, target, kind, overwrite, opset, half)


def _find(model: str | None, batch_norm: bool | None, weights: str | None, kind: str) -> Path:
    """The weight file to export; into a folder for a hub also a classifier's."""
    from denoise_cli.photo.runtimes.load import find_denoiser, find_named
    from denoise_cli.weights.header import check_batch_norm, read_header
    from denoise_cli.weights.store import find_weights

    if weights is None:
        return find_named(model, batch_norm)
    if kind == "hub" and model is None:
        path = find_weights(weights)
        check_batch_norm(weights, read_header(path), batch_norm)
        return path
    return find_denoiser(model, batch_norm, weights)


def _write(
    path: Path, output: Path | None, kind: str, overwrite: bool, opset: int | None, half: bool
) -> None:
    from denoise_cli.onnx.darktable import SUFFIX, export_darktable
    from denoise_cli.onnx.export import export_onnx
    from denoise_cli.onnx.protobuf import OPSET
    from denoise_cli.weights.header import read_header
    from denoise_cli.weights.hub import export_folder
    from denoise_cli.weights.store import bundled_name, label_of

    header = read_header(path)
    if kind == "hub":
        label = label_of(path) or bundled_name(header.name, header.batch_norm)
        target = output or Path(f"{label}-hub")
        export_folder(path, target, overwrite=overwrite)
        console.note(f"{path} -> {target}{os.sep}")
        console.note(f"Publish it: hf upload OWNER/NAME {quoted(target)}; use it: --weights hf:OWNER/NAME")
        return
    target = output or Path()
    if target.is_dir():
        target /= f"{header.name}{SUFFIX if kind == 'darktable' else '.onnx'}"
    if kind == "darktable":
        export_darktable(path, target, overwrite=overwrite)
        console.note(f"{path} -> {target}")
        console.note("In darktable: preferences, AI, import from file.")
        return
    done = export_onnx(path, target, overwrite=overwrite, opset=opset or OPSET, half=half)
    console.note(f"{path} -> {target}")
    console.note("Input: image (batch, 3, height, width), RGB in [0, 1]; output: denoised, the same.")
    if done.difference is None:
        console.note("Not compared with PyTorch, which is not installed.")
    else:
        console.note(f"Largest difference from PyTorch on three pictures: {done.difference:.1e}.")


def _format(given: str | None, target: Path, package: str) -> str:
    """What to write; raises `UsageError` where the file's name says the other one."""
    named = {package: "darktable", ".onnx": "onnx"}.get(target.suffix.lower())
    kind = (given or named or "onnx").lower()
    if kind not in _FORMATS:
        raise UnknownName("format", kind, _FORMATS)
    if named is not None and named != kind:
        raise UsageError(
            f"--format {kind} does not fit the file name {target.name}.", "Leave one of them out."
        )
    return kind
