"""Run `denoise denoise-image` and report on each photo."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoise_cli.cli.console import console
from denoise_cli.config import DenoiseConfig
from denoise_cli.errors import DenoiseError, UsageError, counted

if TYPE_CHECKING:
    from denoise_cli.photo.denoise_batch import Outcome
    from denoise_cli.photo.denoise_file import Result, Settings
    from denoise_cli.photo.files.paths import Item
    from denoise_cli.photo.runtimes.load import PhotoDenoiser


@dataclass(frozen=True, slots=True)
class Extras:
    """Optional outputs: scores against a clean picture, a comparison, JSON."""

    reference: Path | None = None
    side_by_side: bool = False
    json: bool = False


def run(paths: Sequence[str], config: DenoiseConfig, extras: Extras) -> None:
    """Denoise all photos; raises `DenoiseError` at the end if some failed."""
    from denoise_cli.photo.denoise_file import Settings
    from denoise_cli.photo.denoise_rows import Controls
    from denoise_cli.photo.files.formats import FORMATS
    from denoise_cli.photo.malloc import return_freed_memory
    from denoise_cli.photo.runtimes.load import load_photo_denoiser

    if extras.reference is not None and not extras.reference.is_file():
        raise UsageError(f"There is no reference {extras.reference}.")
    return_freed_memory()
    settings = Settings(
        Controls(config.tile, config.strength, config.luma, config.chroma),
        format=None if config.format is None else FORMATS[config.format],
        bits=config.bits,
        quality=config.quality,
        max_pixels=config.max_pixels,
        overwrite=config.overwrite,
    )

    def load() -> PhotoDenoiser:
        return load_photo_denoiser(
            config.model,
            batch_norm=config.batch_norm,
            weights=config.weights,
            device=config.device,
            runtime=config.runtime,
        )

    with _ending_on_sigterm():
        if "-" in paths:
            _from_stdin(paths, config, extras, settings, load)
        else:
            _from_files(paths, config, extras, settings, load)


def _from_files(
    paths: Sequence[str],
    config: DenoiseConfig,
    extras: Extras,
    settings: Settings,
    load: Callable[[], PhotoDenoiser],
) -> None:
    from denoise_cli.photo.denoise_batch import Outcome, denoise_batch
    from denoise_cli.photo.files.formats import format_of
    from denoise_cli.photo.files.paths import (
        SHARED_AGE,
        check_comparisons,
        find_photos,
        parse_shard,
        plan_outputs,
        remove_leftovers,
    )

    if config.output == Path("-"):
        raise UsageError(
            "Only a photo from standard input goes to standard output.", "Name a file or folder."
        )
    several = len(paths) > 1 or Path(paths[0]).is_dir() or not os.path.lexists(paths[0])
    photos = find_photos(paths, config.recursive, config.output)
    if extras.reference is not None and len(photos) > 1:
        raise UsageError("--reference belongs to one photo, and several are given.")
    items = plan_outputs(photos, config.output, settings.format, several)
    if config.quality is not None and items and not any(format_of(item.output).lossy for item in items):
        raise UsageError(
            f"--quality has no effect on {format_of(items[0].output).name.upper()} files.",
            "Leave it out, or add --format jpeg.",
        )
    index, count = parse_shard(config.shard, os.environ)
    if count > 1:
        console.note(f"Shard {index} of {count}: {len(items[index::count])} of {len(items)} photos.")
    items = items[index::count]
    remove_leftovers(items, older_than=SHARED_AGE if count > 1 else 0.0)
    wanted = [item for item in items if not (config.skip_existing and item.output.exists())]
    if extras.json:
        for item in items:
            if item not in wanted:
                _report(Outcome(item), extras)
    if len(wanted) < len(items):
        console.note(f"Skipped {counted(len(items) - len(wanted), 'photo')} whose result exists already.")
    if not wanted:
        return
    if extras.side_by_side:
        check_comparisons(wanted, config.overwrite)
    denoiser = load()
    failed: list[Outcome] = []
    title = "Denoising" if len(wanted) > 1 else f"Denoising {wanted[0].source.name}"
    # One photo is counted in percent, many are counted whole.
    total = len(wanted) if len(wanted) > 1 else 100
    with console.progress(title, total) as advance:
        batch = denoise_batch(wanted, denoiser, settings, lambda share: advance(share * total / len(wanted)))
        with closing(batch):
            for outcome in batch:
                _report(outcome, extras)
                if outcome.error is not None:
                    failed.append(outcome)
    _raise_failures(failed, len(wanted))


def _from_stdin(
    paths: Sequence[str],
    config: DenoiseConfig,
    extras: Extras,
    settings: Settings,
    load: Callable[[], PhotoDenoiser],
) -> None:
    """Denoise the picture on standard input; to standard output unless a file is named."""
    from denoise_cli.photo.denoise_batch import Outcome
    from denoise_cli.photo.denoise_file import denoise_file
    from denoise_cli.photo.files.paths import Item, check_comparisons

    if len(paths) > 1:
        raise UsageError("Standard input (-) can only be the one photo.")
    to_stdout = config.output in {None, Path("-")}
    if to_stdout and sys.stdout.isatty():
        raise UsageError(
            "The picture would be written to the terminal.", "Add --output FILE, or redirect it."
        )
    if to_stdout and extras != Extras():
        raise UsageError(
            "--reference, --side-by-side and --json need a result that is a file.", "Add --output FILE."
        )
    if extras.side_by_side and config.output is not None:
        check_comparisons([Item(Path("-"), config.output)], config.overwrite)
    data = sys.stdin.buffer.read()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "result") if to_stdout or config.output is None else config.output
        result = denoise_file(data, output, load(), settings, lambda share: None)
        if not to_stdout:
            photo = Path(folder, "photo")
            photo.write_bytes(data)
            _report(Outcome(Item(Path("-"), output), result), extras, photo)
            return
        with output.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _report(outcome: Outcome, extras: Extras, photo: Path | None = None) -> None:
    """Report on one photo; make the comparisons that were asked for.

    Args:
        photo: The file with the photo, where it is not `outcome.item.source`.
    """
    from denoise_cli.photo.files.formats import show

    item, result = outcome.item, outcome.result
    row: dict[str, Any] = {"input": show(item.source), "output": show(item.output), "status": "skipped"}
    if outcome.error is not None:
        row |= {"status": "failed", "error": str(outcome.error)}
    elif result is not None:
        row |= {"status": "done", **_facts(result)}
        _describe(item, result)
        if extras.reference is not None:
            row |= _scores(photo or item.source, item.output, extras.reference)
        if extras.side_by_side:
            row["comparison"] = show(_side_by_side(photo or item.source, item.output))
    if extras.json:
        console.json(row)


def _facts(result: Result) -> dict[str, Any]:
    photo, noise = result.photo, result.noise
    return {
        "width": photo.width,
        "height": photo.height,
        "sigma": [round(value, 5) for value in noise.sigma],
        "luma_sigma": round(noise.luma, 5),
        "chroma_sigma": round(noise.chroma, 5),
        "coarse": noise.coarse,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
    }


def _describe(item: Item, result: Result) -> None:
    from denoise_cli.photo.files.formats import show

    sigma = result.noise.sigma
    level = f"{255 * sum(sigma) / len(sigma):.1f} of 255" + (", coarse" if result.noise.coarse else "")
    console.note(f"{show(item.source)} -> {show(item.output)}  (noise {level}; {result.seconds:.1f} s)")
    for note in result.notes:
        console.note(f"  Note: {note}.")


def _scores(photo: Path, output: Path, reference: Path) -> dict[str, float]:
    from denoise_cli.photo.side_by_side import score_against

    scores = score_against(reference, photo, output)
    console.note(
        f"  PSNR {scores['psnr_before']:.2f} -> {scores['psnr_after']:.2f} dB, "
        f"SSIM {scores['ssim_before']:.4f} -> {scores['ssim_after']:.4f}"
    )
    return scores


def _side_by_side(photo: Path, output: Path) -> Path:
    from denoise_cli.photo.files.paths import comparison_path
    from denoise_cli.photo.side_by_side import write_side_by_side

    path = comparison_path(output)
    write_side_by_side(photo, output, path)
    return path


def _raise_failures(failed: Sequence[Outcome], total: int) -> None:
    if not failed:
        return
    errors = [outcome.error for outcome in failed if outcome.error is not None]
    if total == 1:
        raise errors[0]
    for error in errors:
        console.note(f"Failed: {error}")
    hints = dict.fromkeys(hint for error in errors if (hint := getattr(error, "hint", "")))
    raise DenoiseError(f"{len(failed)} of {total} photos could not be denoised; see above.", " ".join(hints))


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which cluster engines send, clean up as Ctrl-C does; exit code 143."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
