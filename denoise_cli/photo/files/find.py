"""Find the photos that a command names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from denoise_cli.errors import ImageError, UsageError, counted
from denoise_cli.photo.files.formats import SUFFIXES, show
from denoise_cli.photo.files.paths import is_result
from denoise_cli.photo.files.raw import is_raw_name
from denoise_cli.photo.files.raw_develop import can_develop

# Folders of previews, deleted files and the like, which programs and file servers keep among photos.
_NOT_ENTERED = frozenset(
    {"@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "__MACOSX", "lost+found"}
    | {"System Volume Information"}
)


@dataclass(slots=True)
class Found:
    """Photos, and what was left out.

    Attributes:
        photos: Each with its place below the folder it was found in, or its bare name.
        results: Results of earlier runs that were named beside other photos.
        matched_results: Number of such results that patterns matched.
        closed: Folders that may not be read.
        raw: Number of camera raw files in the folders that nothing here develops.
    """

    photos: list[tuple[Path, Path]] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    matched_results: int = 0
    closed: list[Path] = field(default_factory=list)
    raw: int = 0


def find_photos(inputs: Sequence[str], recursive: bool, output: Path | None = None) -> Found:
    """Look for photos in files, folders, and glob patterns that the shell left alone.

    Links to folders are not followed; hidden folders are not entered. Results of earlier runs are
    left out, unless one is the only input: where a shell expands a pattern it names them too.

    Args:
        output: Where the results go; a folder below an input folder is not looked into.

    Raises:
        UsageError: An input has no name.
        ImageError: Nothing there.
    """
    found = Found()
    for text in inputs:
        if not text:
            raise UsageError("One of the photos has an empty name.", "Is a variable of the shell not set?")
        path = Path(text)
        if path.is_dir():
            inside = list(_in_folder(path, recursive, output, found))
            if not inside and found.raw:
                raise ImageError(
                    f"There are no photos in {show(path)} but {counted(found.raw, 'camera raw file')}.",
                    "Install what develops them: pip install rawpy; or develop them to 16-bit TIFF files.",
                )
            if not inside and not found.closed:
                raise ImageError(
                    f"There are no photos in {show(path)}.", "Add --recursive to look in its sub-folders."
                )
            found.photos += inside
        elif os.path.lexists(path):
            if len(inputs) > 1 and is_result(path):
                found.results.append(path)
            else:
                found.photos.append((path, Path(path.name)))
        else:
            _add_matches(text, found)
    found.photos = list(dict.fromkeys(found.photos))
    if not found.photos:
        _raise_nothing(found)
    return found


def _raise_nothing(found: Found) -> None:
    if found.closed:
        raise ImageError(f"{show(found.closed[0])} may not be read.", "Check the permissions of the folder.")
    raise ImageError(
        "Only results of earlier runs are given, which are left alone.",
        "Name one of them alone to denoise it again.",
    )


def _in_folder(root: Path, recursive: bool, output: Path | None, found: Found) -> Iterator[tuple[Path, Path]]:
    results = None if output is None else output.resolve()
    developed = can_develop()

    def note(error: OSError) -> None:
        found.closed.append(Path(error.filename))

    for folder, folders, names in os.walk(root, onerror=note):
        folders[:] = sorted(
            name for name in folders if _is_entered(name) and Path(folder, name).resolve() != results
        )
        if not recursive:
            folders.clear()
        for name in sorted(names):
            path = Path(folder, name)
            if name[0] == ".":
                continue
            is_photo = path.suffix.lower() in SUFFIXES
            if is_raw_name(path):
                is_photo = developed
                found.raw += not developed
            # A pipe among photos would be waited for.
            if is_photo and not is_result(path) and not path.is_fifo():
                yield path, path.relative_to(root)


def _add_matches(pattern: str, found: Found) -> None:
    """Add the files that a pattern matches; what it says itself, such as `@eaDir/*`, is meant."""
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 (absolute patterns)
    said = set(Path(pattern).parts)
    files = [
        match
        for match in matches
        if match.is_file() and all(_is_entered(name) or name in said for name in match.parent.parts)
    ]
    if not files:
        raise ImageError(f"There is no photo or folder {show(Path(pattern))}.")
    results = [] if is_result(Path(pattern)) else [path for path in files if is_result(path)]
    found.matched_results += len(results)
    found.photos += [(path, Path(path.name)) for path in files if path not in set(results)]


def _is_entered(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _NOT_ENTERED
