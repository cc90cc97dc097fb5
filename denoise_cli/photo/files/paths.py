"""Names of results: where each goes, and that none replaces what it must not."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import OutputExists, UsageError
from denoise_cli.photo.files.encoding import can_write
from denoise_cli.photo.files.formats import FORMATS, SNIFFED, SUFFIXES, Format, show, sniff
from denoise_cli.photo.files.metadata.heif import look_at
from denoise_cli.photo.files.metadata.icc import is_srgb, profile_of
from denoise_cli.photo.files.raw import is_raw_name

_RESULT = ".denoised"
_COMPARISON = ".compare"


@dataclass(frozen=True, slots=True)
class Item:
    """One photo and its result.

    Attributes:
        source: The photo's file.
        output: The result's file.
        data: The photo itself, where it came from no file; `source` is its name for messages then.
    """

    source: Path
    output: Path
    data: bytes | None = None


def plan_outputs(
    photos: Sequence[tuple[Path, Path]],
    output: Path | None,
    kind: Format | None,
    several: bool,
    kept: Iterable[Path] = (),
) -> list[Item]:
    """Output paths: beside the photos, in the folder `output`, or the file `output`.

    Args:
        kept: Other files that no result may replace.

    Raises:
        UsageError: Two photos would have one result, a result would replace a photo or what is kept,
            or the name says another format than `kind`.
    """
    items = []
    for path, relative in photos:
        if output is None:
            items.append(Item(path, default_output(path, kind)))
        elif several or output.is_dir():
            items.append(Item(path, output / _renamed(relative, kind or _other_format(path))))
        else:
            check_name(output, kind)
            items.append(Item(path, output))
    items = _without_repeats(items)
    originals = _identities([item.source for item in items] + list(kept))
    for item in items:
        replaced = originals.get(_identity(item.output))
        if replaced is not None:
            _raise_replaces(item, replaced)
    return items


def check_name(output: Path, kind: Format | None) -> None:
    """Make sure that a result of this format does not get the name of another one; or `UsageError`."""
    named = SUFFIXES.get(output.suffix.lower())
    if kind is not None and named not in {None, kind}:
        raise UsageError(
            f"The format asked for is {kind.name}, but {show(output)} is the name of another.",
            f"Leave --format out, or name it {show(output.with_suffix(kind.suffixes[0]))}.",
        )


def check_comparisons(items: Sequence[Item], overwrite: bool, kept: Iterable[Path] = ()) -> None:
    """Make sure that no comparison replaces a photo, a result, another comparison or, unasked, a file.

    Raises:
        UsageError, OutputExists: One would.
    """
    originals = _identities([item.source for item in items] + list(kept))
    taken = {os.path.realpath(item.output) for item in items}
    for item in items:
        path = comparison_path(item.output)
        if os.path.realpath(path) in taken or _identity(path) in originals:
            raise UsageError(
                f"The comparison of {show(item.source)} would replace {show(path)}.",
                "Denoise into another folder with --output, or one photo at a time.",
            )
        taken.add(os.path.realpath(path))
        if os.path.lexists(path) and not overwrite:
            raise exists_already(path)


def exists_already(output: Path) -> OutputExists:
    """That a result is there already and may not be replaced."""
    return OutputExists(f"{show(output)} exists already.", "Add --overwrite, or name another --output.")


def default_output(path: Path, kind: Format | None) -> Path:
    """`NAME.denoised.EXT` beside the input; a name without an ending gets that of its content.

    Raises:
        UsageError: The input is a pipe.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UsageError(f"{show(path)} is no file, so its result has no name.", "Add --output FILE.")
    if kind is None and not path.suffix and path.is_file():
        with suppress(OSError), path.open("rb") as file:
            kind = _written_as(sniff(file.read(SNIFFED)), path)
    kind = kind or _other_format(path)
    suffix = path.suffix if kind is None or SUFFIXES.get(path.suffix.lower()) == kind else kind.suffixes[0]
    return path.with_name(f"{path.stem}{_RESULT}{suffix}")


def comparison_path(output: Path) -> Path:
    """Path of the picture that shows a result beside its photo: `NAME.compare.png`."""
    return output.with_name(f"{output.stem}{_COMPARISON}.png")


def is_result(path: Path) -> bool:
    """Whether a file has the name of an earlier run's result or comparison."""
    return path.stem.lower().endswith((_RESULT, _COMPARISON))


def _without_repeats(items: Sequence[Item]) -> list[Item]:
    """The items, without photos that are named twice.

    Raises:
        UsageError: Two photos would have one result, also where the file system ignores case.
    """
    kept: list[Item] = []
    taken: dict[str, Item] = {}
    for item in items:
        place = os.path.realpath(item.output)
        # As file systems that ignore case and the way accents are written see it.
        loose = unicodedata.normalize("NFC", place).casefold()
        other = taken.get(loose)
        if other is None:
            taken[loose] = item
        elif os.path.realpath(other.output) == place or _ignores_case(item.output.parent):
            if is_same(item.source, other.source):
                continue
            raise UsageError(
                f"{show(other.source)} and {show(item.source)} would both become {show(item.output)}.",
                "Denoise them into different folders.",
            )
        kept.append(item)
    return kept


def _ignores_case(folder: Path) -> bool:
    """Whether the file system takes `a` and `A` for one name, as a name that is there shows."""
    while not folder.is_dir():
        folder = folder.parent
    with os.scandir(folder) as entries:
        names = [folder / entry.name for entry in entries if entry.name.swapcase() != entry.name]
    path = names[0] if names else folder.resolve()
    return is_same(path.with_name(path.name.swapcase()), path)


def _raise_replaces(item: Item, replaced: Path) -> None:
    if is_same(item.source, item.output):
        raise UsageError(f"The result would replace the photo {show(item.source)}.", "Name another --output.")
    raise UsageError(
        f"The result of {show(item.source)} would replace {show(replaced)}, which this command names too.",
        "Name another --output; or name a folder, or a pattern in quotes, to denoise its photos again.",
    )


def _identities(paths: Iterable[Path]) -> dict[tuple[int, int] | None, Path]:
    """The files by what tells one from another, whatever their names."""
    found = {_identity(path): path for path in paths}
    found.pop(None, None)
    return found


def is_same(one: Path, other: Path) -> bool:
    found = _identity(one)
    return found is not None and found == _identity(other)


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, links followed; None where there is none.

    `new/../a.png` is `a.png` as soon as `new` has been made, so it is taken for that.
    """
    try:
        found = Path(os.path.realpath(path)).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _renamed(relative: Path, kind: Format | None) -> Path:
    if kind is None or SUFFIXES.get(relative.suffix.lower()) == kind:
        return relative
    return relative.with_suffix(kind.suffixes[0])


def _other_format(path: Path) -> Format | None:
    """The format of a result that cannot be the photo's own, by its name; None where it can."""
    if is_raw_name(path):
        return FORMATS["tiff"]
    kind = SUFFIXES.get(path.suffix.lower())
    other = _written_as(kind, path)
    return None if other == kind else other


def _written_as(kind: Format | None, path: Path) -> Format | None:
    """The format itself, or another where libvips can read it and not write it, as is usual for HEIC.

    That is JPEG, or AVIF (else PNG) for a picture that JPEG files cannot hold.
    """
    if kind is None or can_write(kind):
        return kind
    if not path.is_file() or _fits_jpeg(path):
        return FORMATS["jpeg"]
    return FORMATS["avif" if can_write(FORMATS["avif"]) else "png"]


def _fits_jpeg(path: Path) -> bool:
    """Whether a HEIC file has 8 bits a colour, no transparency, and colours that a profile describes."""
    try:
        with path.open("rb") as file:
            seen = look_at(file)
    except OSError:
        return True
    described = seen.cicp is None or is_srgb(seen.cicp) or bool(profile_of(seen.cicp, seen.grey))
    return seen.bits == 8 and not seen.alpha and described
