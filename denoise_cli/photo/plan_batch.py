"""Plan a batch: which photos are denoised, where their results go, and what is left out."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import UsageError
from denoise_cli.files import leftovers_in, remove_abandoned
from denoise_cli.photo.files.find import Found, find_photos
from denoise_cli.photo.files.formats import SUFFIXES, Format, show
from denoise_cli.photo.files.paths import Item, check_comparisons, plan_outputs

# Seconds after which an unfinished file in a shared folder counts as abandoned.
_SHARED_AGE = 86_400.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a batch is asked to do.

    Attributes:
        paths: Photos, folders and glob patterns.
        output: Folder of the results, or the file of the only one (default: beside the photos).
        format, quality: Of the results.
        recursive: Look into sub-folders.
        overwrite, skip_existing: What becomes of results that exist.
        shard: Index and number of the shares that the photos are divided into.
        reference: A clean picture to compare the only photo with.
        side_by_side: Whether comparisons are written too.
    """

    paths: Sequence[str]
    output: Path | None = None
    format: Format | None = None
    quality: int | None = None
    recursive: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    shard: tuple[int, int] = (0, 1)
    reference: Path | None = None
    side_by_side: bool = False


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A planned batch.

    Attributes:
        items: To be denoised.
        skipped: Left out because their results exist, as was asked.
        existing: Left out because their results exist, which was not asked.
        total: Number of photos in all shares.
        results: Number of results of earlier runs that were named as photos, and left alone.
        closed: Folders that may not be read.
        raw: Number of camera raw files in the folders, which are left out.
    """

    items: tuple[Item, ...]
    skipped: tuple[Item, ...]
    existing: tuple[Item, ...]
    total: int
    results: int
    closed: tuple[Path, ...]
    raw: int


def plan_batch(request: Request) -> BatchPlan:
    """Find the photos and plan their results; nothing is written yet.

    Raises:
        UsageError: The parts of the request contradict each other, or a result would replace a photo,
            another result, or the reference.
        ImageError: There are no photos.
        OutputExists: A comparison exists and may not be replaced.
        OSError: A folder for results cannot be written.
    """
    paths = request.paths
    several = len(paths) > 1 or Path(paths[0]).is_dir() or not os.path.lexists(paths[0])
    found = find_photos(paths, request.recursive, request.output)
    if request.reference is not None and len(found.photos) > 1:
        raise UsageError(
            "--reference belongs to one photo, and several are given.",
            "Denoise that photo by itself, or leave --reference out.",
        )
    if several and request.output is not None and request.output.is_file():
        raise UsageError(
            f"{show(request.output)} is a file, and several results need a folder.", "Name another --output."
        )
    kept = [] if request.reference is None else [request.reference]
    if request.overwrite:
        kept += found.results
    items = plan_outputs(found.photos, request.output, request.format, several, kept)
    if request.quality is not None:
        check_quality([SUFFIXES.get(item.output.suffix.lower()) for item in items])
    index, count = request.shard
    return _sorted_out(items[index::count], len(items), request, found)


def remove_leftovers(items: Sequence[Item], shared: bool) -> None:
    """Delete the unfinished files that a killed run left in the folders of these results.

    Args:
        shared: Whether other computers write there, whose locks are not seen everywhere: only files
            that nobody has changed for a day are deleted then.
    """
    oldest = time.time() - (_SHARED_AGE if shared else 0.0)
    for folder in {item.output.parent for item in items}:
        for path in leftovers_in(folder):
            with suppress(FileNotFoundError):  # finished by its process meanwhile
                if path.stat().st_mtime <= oldest:
                    remove_abandoned(path)


def _sorted_out(items: Sequence[Item], total: int, request: Request, found: Found) -> BatchPlan:
    looked_at = request.skip_existing or not request.overwrite
    # Not `Path.exists`, which fails at a name that is too long: that is its photo's failure alone.
    found_there = [looked_at and os.path.exists(item.output) for item in items]  # noqa: PTH110
    there = tuple(item for item, exists in zip(items, found_there, strict=True) if exists)
    wanted = tuple(item for item, exists in zip(items, found_there, strict=True) if not exists)
    if request.side_by_side:
        check_comparisons(wanted, request.overwrite, found.results)
    for folder in {item.output.parent for item in wanted}:
        _check_folder(folder)
    return BatchPlan(
        items=wanted,
        skipped=there if request.skip_existing else (),
        existing=() if request.skip_existing else there,
        total=total,
        results=len(found.results) + found.matched_results,
        closed=tuple(found.closed),
        raw=found.raw,
    )


def check_quality(formats: Sequence[Format | None]) -> None:
    """Refuse a quality where no result has one; raises `UsageError`.

    Args:
        formats: By the names of the results; None: the photo's, which only its content tells.
    """
    if all(kind is not None and not kind.lossy for kind in formats) and formats[0] is not None:
        raise UsageError(
            f"--quality has no effect on {formats[0].name.upper()} files.",
            "Leave it out, or add --format jpeg.",
        )


def _check_folder(folder: Path) -> None:
    """Make sure that results can be written to a folder, which may not be there yet; or `OSError`."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "Results cannot be written to this folder", show(folder))
