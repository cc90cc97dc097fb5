"""Picture files of a folder: find them, read their sizes, decode them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})
_ORIENTATION = 0x0112
# EXIF orientations that swap height and width.
_SIDEWAYS = frozenset({5, 6, 7, 8})


def list_pictures(root: Path) -> list[Path]:
    """All picture files below `root`, in an order that does not depend on the file system."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def read_size(path: Path) -> tuple[int, int] | str:
    """Height and width of the upright picture from the file's header, or why it cannot be read."""
    try:
        with Image.open(path) as image:
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
    with Image.open(path) as image:
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
