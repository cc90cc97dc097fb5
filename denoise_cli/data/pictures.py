"""Picture files of a folder: find them, read their sizes, decode them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
# Files that a run, a comparison and a test leave in their folders.
_OURS = (
    frozenset({"config.yaml", "metrics.jsonl"}),
    frozenset({"results.json", "tables.md"}),
    frozenset({"scores.json", "pictures.png"}),
    frozenset({"scores.json", "confusion.png"}),
)
_ORIENTATION = 0x0112
# EXIF orientations that swap height and width.
_SIDEWAYS = frozenset({5, 6, 7, 8})


def find_pictures(root: Path) -> Iterator[Path]:
    """All picture files below `root`, in no order to rely on.

    Links to folders are followed, each folder once, so that loops end. Left out is what systems and
    editors put beside pictures, and folders in which this program has put its own.
    """
    seen: set[tuple[int, int]] = set()
    waiting, links = [root], deque[Path]()
    while waiting or links:
        # A folder's own place comes before the links to it.
        folder = waiting.pop() if waiting else links.popleft()
        with suppress(OSError):  # It may have gone, or not be ours to read.
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            inside = sorted(folder.iterdir())
            names = {path.name for path in inside}
            if folder != root and any(ours <= names for ours in _OURS):
                continue
            kept = [path for path in inside if not _is_foreign(path.name)]
            waiting += [path for path in kept if path.is_dir() and not path.is_symlink()]
            links += [path for path in kept if path.is_dir() and path.is_symlink()]
            yield from (path for path in kept if path.suffix.lower() in SUFFIXES and path.is_file())


def list_pictures(root: Path) -> list[Path]:
    """All picture files below `root`, in an order that does not depend on the file system."""
    return sorted(find_pictures(root), key=lambda path: path.relative_to(root).as_posix())


def open_picture(file: Path) -> Image.Image:
    """Open a picture by one of the decoders for `SUFFIXES`, whatever its name; raises as `read_picture`.

    Pillow would hand PostScript to another program.
    """
    return Image.open(file, formats=_FORMATS)


def _is_foreign(name: str) -> bool:
    """Whether a file or folder is hidden (`._x.png`, `.ipynb_checkpoints`) or a system's own."""
    return name.startswith(".") or name.lower() in _SYSTEMS


def read_size(path: Path) -> tuple[int, int] | str:
    """Height and width of the upright picture from the file's header, or why it cannot be read."""
    try:
        with open_picture(path) as image:
            width, height = image.size
            # Pillow decodes a whole PNG to look for EXIF data that may come at its end.
            exif = image.format != "PNG" or "exif" in image.info
            sideways = exif and image.getexif().get(_ORIENTATION) in _SIDEWAYS
            return (width, height) if sideways else (height, width)
    except Exception as error:
        return reason(error)


def read_picture(path: Path) -> Image.Image:
    """Decode a picture, turned upright, in 8 bits a channel and its own colour mode.

    Raises:
        Exception: Pillow's decoders raise almost any kind on damaged files.
    """
    with open_picture(path) as image:
        image.load()
        if image.mode == "F":
            raise ValueError("pixels are floating-point numbers")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):
            # Pillow would cut 16-bit grey off at 255.
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return image


def read_rgb(path: Path) -> np.ndarray:
    """Decode a picture as uint8 (H, W, 3), turned upright; raises as `read_picture`."""
    return as_rgb(read_picture(path))


def as_rgb(image: Image.Image) -> np.ndarray:
    """The pixels of an image as uint8 (H, W, 3)."""
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def reason(error: Exception) -> str:
    """The message of an error, or its type if it has none."""
    return str(error) or type(error).__name__
