"""BMP files, which libvips does not read: by Pillow, whole in memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import ImageError

MAGIC = b"BM"


def read_bmp(source: Path | bytes, name: str, limit: int) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Pixels (H, W, 1 or 3) and resolution in pixels per millimetre of a BMP file.

    Raises:
        ImageError: Damaged, or more than `limit` pixels.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    try:
        # Not by `Image.open`, which has a smaller limit and warns well below it.
        with BmpImageFile(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > limit:
                raise ImageError(
                    f"{name} has {image.width * image.height / 1e6:.0f} megapixels, too many to read."
                )
            pixels = np.asarray(image.convert("L" if image.mode in {"1", "L"} else "RGB"))
            dpi = image.info.get("dpi", (25.4, 25.4))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"{name} is a damaged BMP file.") from error
    return pixels.reshape(*pixels.shape[:2], -1), (dpi[0] / 25.4, dpi[1] / 25.4)


def write_bmp(path: Path, pixels: NDArray[Any], resolution: tuple[float, float]) -> None:
    """Write uint8 pixels (H, W, 1 or 3); `resolution` is in pixels per millimetre."""
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.save(path, format="BMP", dpi=(resolution[0] * 25.4, resolution[1] * 25.4))
