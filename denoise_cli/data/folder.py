"""A folder of images: `train/` and `test/` inside if it has them, class subfolders as labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from denoise_cli.data.held_out import Split, part_of
from denoise_cli.data.memory import available_memory
from denoise_cli.data.pictures import SUFFIXES, list_pictures, read_rgb, read_size, reason
from denoise_cli.data.source import Images, ImageSource, evenly_spaced
from denoise_cli.data.streaming import LARGEST_CACHE, PictureCache, StreamedSource
from denoise_cli.errors import DataError

SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
"""Names of a split's folder, the first that is there; in any case."""


def load_folder(
    folder: Path,
    split: Split,
    limit: int | None = None,
    *,
    max_bytes: int | None = None,
    test_share: float = 0.0,
) -> Images:
    """Read a folder's images into memory, or stream them where they do not fit.

    Where the folder has a subfolder named like the split (see `SPLITS`), only that is read; a
    folder without both is one set, used for either split. Subfolders are classes. Files that cannot
    be read are left out and named in `skipped`.

    Args:
        folder: The folder.
        split: Which subfolder to read.
        limit: Keep at most this many images, evenly spread.
        max_bytes: Stream where the decoded images are larger; default half of the memory
            that is left, since collecting them takes twice their size for a moment.
        test_share: Share of a folder without both subfolders that only the split `test` has; the
            rest is `train`. 0 makes it one set.

    Raises:
        DataError: The folder is missing, lacks the split, or has no readable image.
    """
    root = split_root(folder, split)
    paths = list_pictures(root)
    if not paths:
        raise DataError(
            f"No images in {root}.", f"Put {', '.join(sorted(s[1:] for s in SUFFIXES))} files there."
        )
    # Of all pictures: those that are kept may lie in one class.
    classes = class_names(root, paths)
    if root == folder:
        names = [path.relative_to(root).as_posix() for path in paths]
        paths = [paths[index] for index in part_of(names, split, test_share)]
    if limit is not None:
        paths = [paths[index] for index in evenly_spaced(len(paths), limit)]
    max_bytes = max_bytes_in_memory() if max_bytes is None else max_bytes
    sizes = [read_size(path) for path in paths]
    if sum(3 * size[0] * size[1] for size in sizes if not isinstance(size, str)) > max_bytes:
        return _stream(folder, root, paths, sizes, min(LARGEST_CACHE, max_bytes // 4), classes)
    return _read(folder, root, paths, classes)


def max_bytes_in_memory() -> int:
    """Decoded bytes above which a folder is streamed; collecting them takes twice as much for a moment."""
    return available_memory() // 2


def split_root(folder: Path, split: Split) -> Path:
    """The folder that holds a split, under any of its names in any case, or the folder itself.

    Where there is no test/, the pictures of a validation folder are those to test on.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Check the path given as the data set.")
    inside = find_split(folder, split)
    if inside is not None:
        return inside
    other = find_split(folder, "test" if split == "train" else "train")
    if other is not None:
        raise DataError(
            f"{folder} has a {other.name}/ but no {split}/.",
            f"Make {folder / split}, or name {other} itself as the data set.",
        )
    return folder


def find_split(folder: Path, split: Split) -> Path | None:
    """The subfolder that holds a split; None where there is none."""
    inside = {path.name: path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}
    folded = {name.casefold(): path for name, path in inside.items()} | inside
    return next((folded[name] for name in SPLITS[split] if name in folded), None)


def class_names(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """Names of the class subfolders; empty unless every image lies in one of at least two."""
    parents = {_parent(root, path) for path in paths}
    return tuple(sorted(parents)) if len(parents) > 1 and "" not in parents else ()


def read_pictures(paths: Sequence[Path]) -> list[np.ndarray | str]:
    """Each picture as uint8 (H, W, 3), or why it cannot be read."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_read_or_reason, paths))


def stream_pictures(folder: Path, root: Path, paths: Sequence[Path], cache: int) -> StreamedSource:
    """Readable pictures below `root` that stay on the disk, with `cache` bytes of them decoded."""
    sizes = [read_size(path) for path in paths]
    return _stream(folder, root, paths, sizes, cache, class_names(root, paths))


def _read(folder: Path, root: Path, paths: Sequence[Path], classes: tuple[str, ...]) -> ImageSource:
    read = read_pictures(paths)
    good = [path for path, image in zip(paths, read, strict=True) if not isinstance(image, str)]
    names, labels = _names_and_labels(root, good, classes)
    return ImageSource.from_arrays(
        str(folder),
        [image for image in read if not isinstance(image, str)],
        names,
        labels=labels,
        classes=classes,
        skipped=_skipped(root, paths, read),
    )


def _stream(
    folder: Path,
    root: Path,
    paths: Sequence[Path],
    sizes: Sequence[tuple[int, int] | str],
    cache: int,
    classes: tuple[str, ...],
) -> StreamedSource:
    good = [path for path, size in zip(paths, sizes, strict=True) if not isinstance(size, str)]
    names, labels = _names_and_labels(root, good, classes)
    return StreamedSource(
        name=str(folder),
        paths=tuple(good),
        shapes=torch.tensor([size for size in sizes if not isinstance(size, str)]),
        names=tuple(names),
        pictures=PictureCache(cache),
        labels=None if labels is None else torch.tensor(labels),
        classes=classes,
        unread=tuple(_skipped(root, paths, sizes)),
    )


def _names_and_labels(
    root: Path, good: Sequence[Path], classes: Sequence[str]
) -> tuple[list[str], list[int] | None]:
    """Names and labels of the readable files."""
    names = [path.relative_to(root).as_posix() for path in good]
    return names, [classes.index(_parent(root, path)) for path in good] if classes else None


def _skipped(root: Path, paths: Sequence[Path], read: Sequence[object]) -> list[str]:
    return [
        f"{path.relative_to(root).as_posix()}: {why}"
        for path, why in zip(paths, read, strict=True)
        if isinstance(why, str)
    ]


def _parent(root: Path, path: Path) -> str:
    return "" if path.parent == root else path.relative_to(root).parts[0]


def _read_or_reason(path: Path) -> np.ndarray | str:
    try:
        return read_rgb(path)
    except Exception as error:  # Pillow's decoders raise almost any kind on damaged files.
        return reason(error)
