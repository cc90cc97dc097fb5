"""Find the photos that a command names, and plan their output paths."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import ImageError, OutputExists, UsageError
from denoise_cli.files import PREFIX, remove_abandoned
from denoise_cli.photo.files.formats import SNIFFED, SUFFIXES, Format, show, sniff

_RESULT = ".denoised"
# Seconds after which an unfinished file in a shared folder counts as abandoned.
SHARED_AGE = 86_400.0
_COMPARISON = ".compare"
# Index, count, and where the indices do not run from 0 by 1: their start and step.
_SHARD_VARIABLES = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT", "", ""),
    ("RANK", "WORLD_SIZE", "", ""),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One photo and its result."""

    source: Path
    output: Path


def find_photos(
    inputs: Sequence[str], recursive: bool, output: Path | None = None
) -> list[tuple[Path, Path]]:
    """Photos with their place below the folder they were found in, or their bare name.

    Inputs are files, folders, and glob patterns that the shell left alone. Links to folders are
    not followed, and results of earlier runs in a folder are left out.

    Args:
        output: Where the results go; a folder below an input folder is not looked into.

    Raises:
        ImageError: Nothing there.
    """
    found: list[tuple[Path, Path]] = []
    for text in inputs:
        if not text:
            raise UsageError("One of the photos has an empty name.", "Is a variable of the shell not set?")
        path = Path(text)
        if path.is_dir():
            inside = list(_in_folder(path, recursive, output))
            if not inside:
                raise ImageError(
                    f"There are no photos in {show(path)}.", "Add --recursive to look in its sub-folders."
                )
            found += inside
        elif path.exists() or path.is_symlink():
            found.append((path, Path(path.name)))
        else:
            matches = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207 (absolute patterns)
            files = [(match, Path(match.name)) for match in matches if match.is_file()]
            if not files:
                raise ImageError(f"There is no photo or folder {show(path)}.")
            found += files
    return list(dict.fromkeys(found))


def plan_outputs(
    photos: Sequence[tuple[Path, Path]], output: Path | None, kind: Format | None, several: bool
) -> list[Item]:
    """Output paths: beside the photos, in the folder `output`, or the file `output`.

    Raises:
        UsageError: Two photos would have one result, or a result would replace its photo.
    """
    items = []
    for path, relative in photos:
        if output is None:
            items.append(Item(path, default_output(path, kind)))
        elif several or output.is_dir():
            items.append(Item(path, output / (relative if kind is None else _renamed(relative, kind))))
        else:
            items.append(Item(path, output))
    taken: dict[Path, Path] = {}
    for item in items:
        if item.output in taken:
            raise UsageError(
                f"{show(taken[item.output])} and {show(item.source)} would both become {show(item.output)}.",
                "Denoise them into different folders.",
            )
        taken[item.output] = item.source
        if _same_file(item.source, item.output):
            raise UsageError(
                f"The result would replace the photo {show(item.source)}.", "Name another --output."
            )
    return items


def check_comparisons(items: Sequence[Item], overwrite: bool) -> None:
    """Make sure that no comparison replaces a photo, a result, another comparison or, unasked, a file.

    Raises:
        UsageError, OutputExists: One would.
    """
    taken = {path.resolve() for item in items for path in (item.source, item.output)}
    for item in items:
        path = comparison_path(item.output)
        if path.resolve() in taken:
            raise UsageError(
                f"The comparison of {show(item.source)} would replace {show(path)}.",
                "Denoise into another folder with --output, or one photo at a time.",
            )
        taken.add(path.resolve())
        if path.exists() and not overwrite:
            raise OutputExists(f"{show(path)} exists already.", "Add --overwrite, or name another --output.")


def default_output(path: Path, kind: Format | None) -> Path:
    """`NAME.denoised.EXT` beside the input; a name without an ending gets that of its content.

    Raises:
        UsageError: The input is a pipe.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UsageError(f"{show(path)} is no file, so its result has no name.", "Add --output FILE.")
    if kind is None and not path.suffix and path.is_file():
        with suppress(OSError), path.open("rb") as file:
            kind = sniff(file.read(SNIFFED))
    suffix = path.suffix if kind is None or SUFFIXES.get(path.suffix.lower()) == kind else kind.suffixes[0]
    return path.with_name(f"{path.stem}{_RESULT}{suffix}")


def parse_shard(text: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """Index (from 0) and number of shards: from `I/N`, else from the cluster engine, else (0, 1).

    Raises:
        UsageError: Not of the form I/N with I below N, or the engine's numbers have gaps.
    """
    if text is None:
        for names in _SHARD_VARIABLES:
            index, count, first, step = (_number(environment.get(name, "")) for name in names)
            if index is not None and count is not None:
                return _shard_of_array(index, count, first or 0, step or 1)
        return 0, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(
            f"The shard {text!r} is not of the form I/N with I from 0 to N-1.", "For example --shard 0/8."
        )
    return int(match[1]), int(match[2])


def _shard_of_array(index: int, count: int, first: int, step: int) -> tuple[int, int]:
    place, rest = divmod(index - first, step)
    if rest or not 0 <= place < count:
        raise UsageError(
            f"The cluster's task {index} is not one of {count} evenly numbered ones, so its share of the "
            "photos is not known.",
            "Number the tasks without gaps (--array=0-7), or say --shard I/N.",
        )
    return place, count


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def remove_leftovers(items: Sequence[Item], older_than: float) -> None:
    """Delete the unfinished files that a killed run left in the folders of these results.

    Args:
        older_than: Seconds since the last change; younger files may belong to another computer,
            whose locks are not seen everywhere.
    """
    now = time.time()
    for folder in {item.output.parent for item in items}:
        for path in folder.glob(f"{PREFIX}*"):
            with suppress(FileNotFoundError):  # finished by its process meanwhile
                if now - path.stat().st_mtime >= older_than:
                    remove_abandoned(path)


def comparison_path(output: Path) -> Path:
    """Path of the picture that shows a result beside its photo: `NAME.compare.png`."""
    return output.with_name(f"{output.stem}{_COMPARISON}.png")


def _in_folder(root: Path, recursive: bool, output: Path | None) -> Iterator[tuple[Path, Path]]:
    results = None if output is None else output.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if Path(folder, name).resolve() != results)
        if not recursive:
            folders.clear()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not _is_result(path) and name[0] != ".":
                yield path, path.relative_to(root)


def _is_result(path: Path) -> bool:
    return path.stem.endswith((_RESULT, _COMPARISON))


def _renamed(relative: Path, kind: Format) -> Path:
    return (
        relative if SUFFIXES.get(relative.suffix.lower()) == kind else relative.with_suffix(kind.suffixes[0])
    )


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
