"""Run `denoise denoise-image`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from denoise_cli.cli.console import console
from denoise_cli.cli.photo_report import Extras, PhotoReport
from denoise_cli.cli.signals import ending_on_signals
from denoise_cli.cli.streams import without_library_messages
from denoise_cli.config import DenoiseConfig
from denoise_cli.errors import UsageError, counted

if TYPE_CHECKING:
    from denoise_cli.photo.denoise_file import Settings
    from denoise_cli.photo.files.paths import Item
    from denoise_cli.photo.plan_batch import BatchPlan
    from denoise_cli.photo.runtimes.load import PhotoDenoiser


def run(paths: Sequence[str], config: DenoiseConfig, extras: Extras) -> None:
    """Denoise all photos; raises `DenoiseError` at the end if some failed."""
    if extras.json:
        console.check_output()
    if extras.reference is not None:
        if not extras.reference.is_file():
            raise UsageError(f"There is no reference {extras.reference}.")
        import denoise_cli.metrics  # noqa: F401 (if torch is not there, this says so before the work)
    with without_library_messages():
        from denoise_cli.photo.denoise_batch import is_at_work
        from denoise_cli.photo.malloc import return_freed_memory

        return_freed_memory()
        if extras.reference is not None:
            from denoise_cli.photo.reference import open_reference

            open_reference(extras.reference)
        with ending_on_signals(is_at_work):
            if "-" in paths:
                _from_stdin(paths, config, extras)
            else:
                _from_files(paths, config, extras)


def _from_files(paths: Sequence[str], config: DenoiseConfig, extras: Extras) -> None:
    from denoise_cli.photo.plan_batch import Request, plan_batch, remove_leftovers
    from denoise_cli.photo.shards import parse_shard

    if config.output == Path("-"):
        raise UsageError(
            "Only a photo from standard input goes to standard output.", "Name a file or folder."
        )
    shard = parse_shard(config.shard, os.environ)
    request = Request(
        paths,
        output=config.output,
        format=settings_of(config).format,
        quality=config.quality,
        recursive=config.recursive,
        overwrite=config.overwrite,
        skip_existing=config.skip_existing,
        shard=shard,
        reference=extras.reference,
        side_by_side=extras.side_by_side,
    )
    batch = plan_batch(request)
    _describe_plan(batch, shard)
    remove_leftovers([*batch.items, *batch.skipped, *batch.existing], shared=shard[1] > 1)
    report = PhotoReport(extras, len(batch.items) + len(batch.existing))
    for item in batch.skipped:
        report.add_skipped(item)
    for item in batch.existing:
        report.add_existing(item)
    if batch.items:
        _denoise(batch.items, config, extras, report)
    report.finish(several=batch.total > 1)


def _describe_plan(batch: BatchPlan, shard: tuple[int, int]) -> None:
    from denoise_cli.photo.files.formats import show

    index, count = shard
    here = len(batch.items) + len(batch.skipped) + len(batch.existing)
    if count > 1:
        console.note(f"Shard {index} of {count}: {here} of {batch.total} photos.")
    for folder in batch.closed:
        console.note(f"Left out: {show(folder)} may not be read.")
    if batch.raw:
        console.note(f"Left out: {counted(batch.raw, 'camera raw file')}, to be developed first.")
    if batch.results:
        console.note(f"Left alone: {counted(batch.results, 'result')} of earlier runs.")
    if batch.skipped:
        console.note(f"Skipped {counted(len(batch.skipped), 'photo')} whose result exists already.")


def _denoise(items: Sequence[Item], config: DenoiseConfig, extras: Extras, report: PhotoReport) -> None:
    """Denoise the photos and report on each."""
    from denoise_cli.photo.denoise_batch import BatchOptions, denoise_batch

    options = BatchOptions(extras.reference, extras.side_by_side, config.skip_existing)
    denoiser = load(config)
    # One photo is counted in percent, many are counted whole.
    total = len(items) if len(items) > 1 else 100
    title = "Denoising" if len(items) > 1 else f"Denoising {items[0].source.name}"
    with console.progress(title, total) as advance:
        batch = denoise_batch(
            items, denoiser, settings_of(config), options, lambda share: advance(share * total / len(items))
        )
        with closing(batch):
            for outcome in batch:
                report.add(outcome)


def _from_stdin(paths: Sequence[str], config: DenoiseConfig, extras: Extras) -> None:
    """Denoise the picture on standard input; to standard output unless a file is named."""
    from denoise_cli.photo.files.formats import SUFFIXES
    from denoise_cli.photo.files.paths import Item, check_comparisons, check_name, is_same
    from denoise_cli.photo.plan_batch import check_quality

    if len(paths) > 1:
        raise UsageError(
            "Standard input (-) can only be the one photo.",
            "Denoise it by itself: denoise denoise-image - -o clean.png",
        )
    output = None if config.output == Path("-") else config.output
    if output is None:
        _check_standard_output(extras)
    elif output.is_dir():
        raise UsageError(
            "A photo from standard input has no name for a folder.", "Name the file with --output."
        )
    else:
        check_name(output, settings_of(config).format)
        if extras.reference is not None and is_same(output, extras.reference):
            raise UsageError(
                f"The result would replace the reference {extras.reference}.", "Name another --output."
            )
        if config.skip_existing and output.exists():
            report = PhotoReport(extras, 1)
            report.add_skipped(Item(Path("-"), output))
            console.note(f"Skipped: {output} exists already.")
            return
        if extras.side_by_side:
            kept = [] if extras.reference is None else [extras.reference]
            check_comparisons([Item(Path("-"), output)], config.overwrite, kept)
    if config.quality is not None:
        named = None if output is None else SUFFIXES.get(output.suffix.lower())
        check_quality([settings_of(config).format or named])
    if sys.stdin is None:
        raise UsageError("Standard input is closed.", "Name a photo, or redirect one: < photo.png.")
    data = sys.stdin.buffer.read()
    report = PhotoReport(extras, 1, "-" if output is None else "")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result") if output is None else output
        _denoise([Item(Path("-"), result, data)], config, extras, report)
        report.finish(several=False)
        if output is None:
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _check_standard_output(extras: Extras) -> None:
    console.check_output()
    if sys.stdout.isatty():
        raise UsageError(
            "The picture would be written to the terminal.", "Add --output FILE, or redirect it."
        )
    if extras != Extras():
        raise UsageError(
            "--reference, --side-by-side and --json need a result that is a file.", "Add --output FILE."
        )


def settings_of(config: DenoiseConfig) -> Settings:
    """What a config says of every photo."""
    from denoise_cli.photo.denoise_file import Settings
    from denoise_cli.photo.denoise_rows import Controls
    from denoise_cli.photo.files.formats import FORMATS

    level = None if config.sigma is None else config.sigma / 255
    return Settings(
        Controls(config.tile, config.strength, config.luma, config.chroma, level),
        format=None if config.format is None else FORMATS[config.format],
        bits=config.bits,
        quality=config.quality,
        max_pixels=config.max_pixels,
        overwrite=config.overwrite,
    )


def load(config: DenoiseConfig) -> PhotoDenoiser:
    """The denoiser of a config; raises `UsageError` where `sigma` is given and has no effect."""
    from denoise_cli.photo.runtimes.load import load_photo_denoiser

    denoiser = load_photo_denoiser(
        config.model,
        batch_norm=config.batch_norm,
        weights=config.weights,
        device=config.device,
        runtime=config.runtime,
    )
    if config.sigma is not None and not denoiser.takes_level:
        raise UsageError(
            "This network is not told the noise level, so --sigma has no effect.", "Leave it out."
        )
    return denoiser
