"""A folder of images: `train/` and `test/` inside if it has them, class subfolders as labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError

Split = Literal["train", "test"]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})


def load_folder(folder: Path, split: Split, limit: int | None = None) -> ImageSource:
    """Read a folder's images into memory.

    Where the folder has a subfolder named like the split, only that is read; a folder
    without both is one set, used for either split. Subfolders are classes. Files that cannot
    be read are left out and named in `skipped`.

    Raises:
        DataError: The folder is missing or has no readable image.
    """
    root = split_root(folder, split)
    paths = list_images(root)
    if not paths:
        raise DataError(
            f"No images in {root}.", f"Put {', '.join(sorted(s[1:] for s in SUFFIXES))} files there."
        )
    if limit is not None:
        paths = spread(paths, limit)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        read = list(pool.map(_read_or_reason, paths))
    images, names, labels, skipped = [], [], [], []
    classes = class_names(root, paths)
    for path, image in zip(paths, read, strict=True):
        name = path.relative_to(root).as_posix()
        if isinstance(image, str):
            skipped.append(f"{name}: {image}")
            continue
        images.append(image)
        names.append(name)
        if classes:
            labels.append(classes.index(path.relative_to(root).parts[0]))
    return ImageSource.from_arrays(
        str(folder), images, names, labels=labels if classes else None, classes=classes, skipped=skipped
    )


def split_root(folder: Path, split: Split) -> Path:
    """The folder that holds a split: `folder/train`, `folder/test`, or the folder itself."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Check the path given as the data set.")
    inside = folder / split
    return inside if inside.is_dir() else folder


def list_images(root: Path) -> list[Path]:
    """All image files below `root`, in an order that does not depend on the file system."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def class_names(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """Names of the class subfolders; empty unless every image lies in one of at least two."""
    parents = {path.relative_to(root).parts[0] if path.parent != root else "" for path in paths}
    return tuple(sorted(parents)) if len(parents) > 1 and "" not in parents else ()


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` of the paths, evenly over the whole list, so that no class is left out."""
    if count >= len(paths):
        return list(paths)
    return [paths[i * len(paths) // count] for i in range(count)]


def read_rgb(path: Path) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3), turned upright; raises OSError or ValueError."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _read_or_reason(path: Path) -> np.ndarray | str:
    try:
        return read_rgb(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__
