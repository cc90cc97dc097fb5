"""Find the noise that a name such as `like:FOLDER` or `like:FILE.yaml` means."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from denoise_cli.data.pictures import as_rgb, list_pictures, open_picture
from denoise_cli.errors import DataError, quoted
from denoise_cli.noise.like.measure import NoiseMeter
from denoise_cli.noise.like.model import MeasuredNoise, read_noise, to_yaml
from denoise_cli.noise.spec import LIKE, parse_noise

# More photos say little more, and of a large one its middle is enough.
_MOST_PHOTOS, _MOST_SIDE = 60, 2400
# The mean of libjpeg's luma table at quality 50.
_STANDARD = 57.625
_HINT = "Give photos of your camera as it writes them, of half a megapixel at least: like:FOLDER"


def measured_noise(path: Path) -> MeasuredNoise:
    """The noise in a file, or that of the photos in a folder; measured once in a process.

    Raises:
        DataError: Nothing is there, or it shows no noise.
        ConfigError: The file cannot be read.
    """
    if not path.exists():
        raise DataError(f"There is no {quoted(path)} whose noise could be taken.", _HINT)
    return _cached(path.resolve(), path.stat().st_mtime_ns)


def kept_noise(text: str, file: Path) -> str:
    """A training noise that stays what it is whatever becomes of the photos it names.

    Args:
        text: Of `parse_noise`.
        file: Where what is measured in them is to be kept.

    Returns:
        The noise with `like:FILE` in place of `like:PATH`; `text` itself where it names no other photos.

    Raises:
        DataError: It names two paths.
    """
    paths = _named(text)
    if not paths or [path.resolve() for path in paths] == [file.resolve()]:
        return text
    if len(paths) > 1:
        raise DataError("The noise names photos twice.", "Put all of them into one folder.")
    return text.replace(f"{LIKE}{paths[0]}", f"{LIKE}{file}")


def measured_yaml(text: str) -> str:
    """The content of the file that `kept_noise` names, for its `text`; errors as `measured_noise`."""
    return to_yaml(measured_noise(_named(text)[0]))


def _named(text: str) -> list[Path]:
    return [spec.photos for spec in parse_noise(text) if spec.kind == "like"]


@lru_cache(maxsize=8)
def _cached(path: Path, _changed: int) -> MeasuredNoise:
    return _measure(path) if path.is_dir() else read_noise(path)


def _measure(folder: Path) -> MeasuredNoise:
    files = list_pictures(folder)
    meter = NoiseMeter()
    for index in np.linspace(0, len(files) - 1, min(len(files), _MOST_PHOTOS)).round().astype(int):
        try:
            with open_picture(files[index]) as image:
                quality = _quality(image)
                left, top = (max(0, (side - _MOST_SIDE) // 2) for side in image.size)
                right, bottom = (start + _MOST_SIDE for start in (left, top))
                middle = image.crop((left, top, min(right, image.width), min(bottom, image.height)))
                meter.add(as_rgb(middle), quality)
        except Exception:
            continue
    if not len(meter):
        raise DataError(
            f"{quoted(folder)} holds no photo with flat parts to measure noise in "
            f"({len(files)} pictures looked at).",
            _HINT,
        )
    return meter.noise()


def _quality(image: Image.Image) -> int | None:
    """The quality of a JPEG file by its luma table, on libjpeg's scale; None for other formats."""
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    scale = 100 * float(np.mean(tables[0])) / _STANDARD
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return int(min(100, max(1, round(quality))))
