"""Paired data sets: a noisy and a clean picture of each scene.

Layouts, each with or without `train/` and `test/` around or inside it:

- two folders, `noisy/` (or `input/`, `lq/`) and `clean/` (or `gt/`, `target/`, `hq/`), with the
  same names inside, whatever their endings;
- one folder whose file names say it, as in SIDD (`NOISY_SRGB_010.PNG`, `GT_SRGB_010.PNG`)
  and PolyU (`X_Real.JPG`, `X_mean.JPG`) do; subfolders in it are scenes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli.data.folder import (
    SPLITS,
    find_split,
    max_bytes_in_memory,
    read_pictures,
    split_root,
    stream_pictures,
)
from denoise_cli.data.held_out import Split, part_of
from denoise_cli.data.pictures import find_pictures, list_pictures, read_size
from denoise_cli.data.source import Images, ImageSource, evenly_spaced
from denoise_cli.data.streaming import LARGEST_CACHE
from denoise_cli.errors import DataError

NOISY = ("noisy", "input", "lq")
CLEAN = ("clean", "gt", "target", "hq")
# In one folder only words that nobody gives an ordinary photo.
_FILE_WORDS = ("noisy", "real"), ("gt", "mean")
_WORDS = re.compile(rf"(?<![a-z])({'|'.join((*NOISY, *CLEAN, 'real', 'mean'))})(?![a-z])")

LAYOUT = "Put noisy pictures into noisy/ and clean ones into clean/ of one folder, under the same names."

Paths = tuple[Path, Path]
"""The files of a noisy and of a clean picture."""


def is_paired(folder: Path) -> bool:
    """Whether a folder holds a paired data set; also where one of the two halves is missing."""
    return any(_halves(root) or _file_pairs(root) for root in _roots(folder))


def has_part(folder: Path, split: Split) -> bool:
    """Whether a paired data set has a folder for this split."""
    halves = (_halves(folder) if folder.is_dir() else None) or ()
    places = [place for place in (folder, *halves) if place is not None and place.is_dir()]
    return any(find_split(place, split) for place in places)


def load_pairs(
    folder: Path,
    split: Split,
    limit: int | None = None,
    *,
    max_bytes: int | None = None,
    test_share: float = 0.0,
) -> Images:
    """The clean pictures of a paired data set, with the noisy ones as `noisy`.

    Pictures without a partner, or with a partner of another size, are left out and named in `skipped`.

    Args:
        folder, split, limit, max_bytes, test_share: As for `load_folder`.

    Raises:
        DataError: A half is missing, or there is no pair.
    """
    root = split_root(folder, split)
    files, skipped = _find_pairs(root, split)
    if not has_part(folder, split):
        names = [clean.relative_to(root).as_posix() for _, clean in files]
        files = [files[index] for index in part_of(names, split, test_share)]
    fitting, pixels = [], 0
    for pair in files:
        noisy, clean = (read_size(path) for path in pair)
        if isinstance(noisy, str) or isinstance(clean, str):
            both = zip(pair, (noisy, clean), strict=True)
            skipped += [f"{_short(root, path)}: {size}" for path, size in both if isinstance(size, str)]
        elif noisy != clean:
            its = f"{_show(noisy)} pixels, but {_short(root, pair[1])} has {_show(clean)}"
            skipped.append(f"{_short(root, pair[0])}: {its}")
        else:
            fitting.append(pair)
            pixels += clean[0] * clean[1]
    if limit is not None:
        fitting = [fitting[i] for i in evenly_spaced(len(fitting), limit)]
    if not fitting:
        raise DataError(f"{root} holds no pair of a noisy and a clean picture.", "; ".join(skipped[:3]))
    max_bytes = max_bytes_in_memory() if max_bytes is None else max_bytes
    if 2 * 3 * pixels > max_bytes:
        return _streamed(folder, root, fitting, skipped, min(LARGEST_CACHE, max_bytes // 4))
    return _in_memory(folder, root, fitting, skipped)


def without_pairs(source: Images) -> Images:
    """The clean pictures alone."""
    return source if source.noisy is None else replace(source, noisy=None)  # type: ignore[type-var]


def paired_crops(
    source: Images, indices: Tensor, size: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The same square crops of the noisy and of the clean pictures; arguments as of `Images.crops`."""
    assert source.noisy is not None
    indices = source.readable(indices)
    twin = None
    if generator is not None:
        # The same state draws the same corners.
        twin = torch.Generator()
        twin.set_state(generator.get_state())
    clean = source.crops(indices, size, generator)
    return source.noisy.crops(indices, size, twin), clean


def match_exposure(clean: Tensor, noisy: Tensor) -> Tensor:
    """`clean` (B, 3, H, W) with the mean of each picture's and channel's `noisy` one.

    Shots of one scene differ in exposure by a few thousandths, which no network can predict.
    """
    return clean + (noisy - clean).mean(dim=(2, 3), keepdim=True)


def _roots(folder: Path) -> list[Path]:
    """Folders that may hold the two halves."""
    if not folder.is_dir():
        return []
    splits: tuple[Split, ...] = ("train", "test")
    return [folder, *filter(None, (find_split(folder, split) for split in splits))]


def _halves(root: Path) -> tuple[Path | None, Path | None] | None:
    """The folders of noisy and clean pictures, one of them perhaps missing; None where neither counts."""
    inside = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    noisy = next((inside[name] for name in NOISY if name in inside), None)
    clean = next((inside[name] for name in CLEAN if name in inside), None)
    if noisy is None and clean is None:
        return None
    if noisy is None or clean is None:
        # One such name among other folders is the name of a class.
        half = noisy or clean
        splits = {name for names in SPLITS.values() for name in names}
        alone = all(path in {half} for name, path in inside.items() if name not in splits)
        return (noisy, clean) if alone else None
    return noisy, clean


def _find_pairs(root: Path, split: Split) -> tuple[list[Paths], list[str]]:
    """The pairs below `root`, and pictures without a partner, with the reason."""
    halves = _halves(root)
    if halves is None:
        found = _file_pairs(root)
        if found is None:
            raise DataError(f"{root} holds no pairs of a noisy and a clean picture.", LAYOUT)
        return _match(root, *found)
    noisy, clean = halves
    if noisy is None or clean is None:
        there, lacking = (noisy, CLEAN) if clean is None else (clean, NOISY)
        assert there is not None
        raise DataError(
            f"{root} has {there.name}/, but no {lacking[0]}/ to go with it.",
            f"Pairs need both, under the same names; {' or '.join(f'{n}/' for n in lacking)} will do.",
        )
    return _match(root, *(list_pictures(split_root(half, split)) for half in (noisy, clean)))


def _file_pairs(root: Path) -> tuple[list[Path], list[Path]] | None:
    """Noisy and clean pictures of one folder, by name; None unless every name says which it is."""
    # One file is enough to recognise an ordinary folder, which may be too large to list twice.
    first = next(find_pictures(root), None)
    if first is None or not _WORDS.search(first.stem.lower()):
        return None
    groups: tuple[list[Path], list[Path]] = [], []
    for path in list_pictures(root):
        words = set(_WORDS.findall(path.stem.lower()))
        kinds = [number for number, known in enumerate(_FILE_WORDS) if words & set(known)]
        if len(kinds) != 1:
            return None
        groups[kinds[0]].append(path)
    return groups if all(groups) else None


def _match(root: Path, noisy: Sequence[Path], clean: Sequence[Path]) -> tuple[list[Paths], list[str]]:
    """Pair two lists of files by their names."""
    keyed: tuple[dict[str, Path], dict[str, Path]] = {}, {}
    skipped = []
    for group, paths in zip(keyed, (noisy, clean), strict=True):
        for path in paths:
            known = group.setdefault(_key(root, path), path)
            if known is not path:
                skipped.append(f"{_short(root, path)}: its name pairs with the same as {_short(root, known)}")
    pairs = [(keyed[0][key], keyed[1][key]) for key in sorted(keyed[0].keys() & keyed[1].keys())]
    for mine, other, word in ((keyed[0], keyed[1], "clean"), (keyed[1], keyed[0], "noisy")):
        lonely = sorted(mine.keys() - other.keys())
        skipped += [f"{_short(root, mine[key])}: no {word} picture of this name" for key in lonely]
    return pairs, skipped


def _key(root: Path, path: Path) -> str:
    """The key that both files of a pair share: the path without words such as `noisy` and `gt`."""
    parts = path.relative_to(root).with_suffix("").as_posix().lower().split("/")
    words = [re.sub(r"[\W_]+", "-", _WORDS.sub("", part)).strip("-") for part in parts]
    return "/".join(word for word in words if word)


def _scenes(root: Path, files: Sequence[Paths]) -> Tensor | None:
    """The number (N,) of each pair's scene, where the one folder of all has a subfolder for each."""
    if _halves(root) is not None:
        return None
    parents = [clean.parent for _, clean in files]
    known = list(dict.fromkeys(parents))
    return torch.tensor([known.index(parent) for parent in parents]) if 1 < len(known) < len(files) else None


def _short(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _show(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _in_memory(folder: Path, root: Path, files: Sequence[Paths], skipped: list[str]) -> ImageSource:
    noisy, clean = (read_pictures([pair[half] for pair in files]) for half in (0, 1))
    good = []
    for number, pair in enumerate(files):
        unread = [
            f"{_short(root, path)}: {read[number]}"
            for path, read in zip(pair, (noisy, clean), strict=True)
            if isinstance(read[number], str)
        ]
        skipped += unread
        if not unread:
            good.append(number)
    names = [_short(root, files[number][1]) for number in good]
    halves = [
        ImageSource.from_arrays(
            str(folder), [a for i in good if not isinstance(a := read[i], str)], names, skipped=skipped
        )
        for read in (noisy, clean)
    ]
    return replace(halves[1], noisy=halves[0], groups=_scenes(root, [files[number] for number in good]))


def _streamed(folder: Path, root: Path, files: Sequence[Paths], skipped: list[str], cache: int) -> Images:
    # Scene folders are not classes.
    noisy, clean = (
        replace(
            stream_pictures(folder, root, [pair[half] for pair in files], cache // 2), labels=None, classes=()
        )
        for half in (0, 1)
    )
    return replace(clean, noisy=noisy, unread=tuple(skipped), groups=_scenes(root, files))
