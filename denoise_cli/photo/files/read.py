"""Open a photo of any supported format and read it in strips."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.bmp import MAGIC, read_bmp
from denoise_cli.photo.files.formats import FORMATS, Format, show
from denoise_cli.photo.files.heif_pixels import as_meant
from denoise_cli.photo.files.metadata.carry import read_metadata
from denoise_cli.photo.files.metadata.types import Metadata
from denoise_cli.photo.files.tiff_exif import ends_early
from denoise_cli.photo.pixels.types import Pixels

MAX_PIXELS = 1_000_000_000
MAX_SIDE = 200_000
_DTYPES: dict[str, np.dtype[Any]] = {
    "uchar": np.dtype(np.uint8),
    "ushort": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}
# libvips warns of oddities in files that it reads well; what goes wrong is raised.
logging.getLogger("pyvips").addHandler(logging.NullHandler())
# Each photo is read once or twice and let go; a cache of operations would only hold on to rows.
pyvips.cache_set_max(0)
_READABLE = "PNG, JPEG, TIFF, WebP, AVIF, HEIC and BMP"


@dataclass(frozen=True)
class Photo:
    """A photo file: its header, and its pixels in strips.

    Attributes:
        name: For messages.
        format: What the file is, whatever its name says.
        height, width: In pixels, as stored (an EXIF orientation is kept, not applied).
        channels: Colour channels: 1 (grey) or 3 (RGB).
        alpha: Whether an alpha channel follows the colour channels.
        dtype: uint8, uint16, or float32 in [0, 1].
        notes: What had to be converted, for the user.
        header: libvips image of the pixels.
    """

    name: str
    format: Format
    height: int
    width: int
    channels: int
    alpha: bool
    dtype: np.dtype[Any]
    notes: tuple[str, ...]
    header: pyvips.Image = field(repr=False)
    _source: Path | bytes = field(repr=False)

    @property
    def source(self) -> Path | bytes:
        """The file, or its bytes."""
        return self._source

    @cached_property
    def metadata(self) -> Metadata:
        """What the file holds beside the pixels."""
        return read_metadata(self._source, self.format.name)

    def strips(self, rows: int) -> Iterator[Pixels]:
        """All pixels from top to bottom, (<= rows, W, channels [+ 1 for alpha]) at a time.

        Raises:
            ImageError: The file is damaged or ends early.
        """
        try:
            image = _normalised(_load(self._source, self.name, self.format), [])
            region = pyvips.Region.new(image)
            for top in range(0, self.height, rows):
                count = min(rows, self.height - top)
                data = region.fetch(0, top, self.width, count)
                yield np.frombuffer(data, self.dtype).reshape(count, self.width, -1)
        except pyvips.Error as error:
            raise _damaged(self.name, self.format, error) from error


def open_photo(source: Path | bytes) -> Photo:
    """Open a photo from a path or from the bytes of a file.

    Raises:
        ImageError: Missing, not a picture, of a kind that is not supported, or too large.
    """
    name = show(source) if isinstance(source, Path) else "The input"
    kind = _detect(source, name)
    notes: list[str] = []
    try:
        raw = _load(source, name, kind)
        _check_size(raw, name)
        _check_single(raw, name)
        image = _normalised(raw, notes)
        if kind.name == "tiff" and ends_early(source):
            raise ImageError(f"{name} is a TIFF file that ends early.")
    except pyvips.Error as error:
        raise _damaged(name, kind, error) from error
    if image.format not in _DTYPES:
        raise ImageError(f"{name} has {image.format} pixels; 8-bit, 16-bit and float32 can be read.")
    if image.bands not in {1, 2, 3, 4}:
        raise ImageError(
            f"{name} has {image.bands} channels; grey and RGB, with or without alpha, can be read."
        )
    return Photo(
        name=name,
        format=kind,
        height=image.height,
        width=image.width,
        channels=1 if image.bands < 3 else 3,
        alpha=image.bands in {2, 4},
        dtype=_DTYPES[image.format],
        notes=tuple(notes),
        header=image,
        _source=source,
    )


def _detect(source: Path | bytes, name: str) -> Format:
    """The format that the file's first bytes show."""
    if isinstance(source, Path):
        if source.is_dir():
            raise ImageError(f"{name} is a folder.")
        try:
            with source.open("rb") as file:
                head = file.read(4096)
        except OSError as error:
            raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error
    else:
        head = source[:4096]
    if not head:
        raise ImageError(f"{name} is empty.")
    kind = _sniff(head)
    if kind is None:
        raise ImageError(f"{name} is not a picture that can be read.", f"{_READABLE} files can be read.")
    if kind.name == "png" and b"acTL" in head:
        raise ImageError(f"{name} is an animation; only single pictures can be denoised.")
    return kind


def _sniff(head: bytes) -> Format | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FORMATS["png"]
    if head.startswith(b"\xff\xd8\xff"):
        return FORMATS["jpeg"]
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return FORMATS["tiff"]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return FORMATS["webp"]
    if head[4:8] == b"ftyp":
        brands = head[8:64]
        return FORMATS["avif" if b"avif" in brands or b"avis" in brands else "heic"]
    return FORMATS["bmp"] if head.startswith(MAGIC) else None


def _load(source: Path | bytes, name: str, kind: Format) -> pyvips.Image:
    """A fresh sequential image, nothing decoded yet (BMP: decoded)."""
    if not kind.loader:
        pixels, resolution = read_bmp(source, name, MAX_PIXELS)
        image = pyvips.Image.new_from_array(pixels)
        return image.copy(xres=resolution[0], yres=resolution[1])
    if isinstance(source, bytes):
        loader = getattr(pyvips.Image, f"{kind.loader}_buffer")
        image = loader(source, access="sequential", fail_on="truncated")
        return as_meant(image, source) if kind.loader == "heifload" else image
    # libvips takes "[...]" at the end of a file name for options; a source does not.
    handle = pyvips.Source.new_from_file(os.fsencode(source))
    loader = getattr(pyvips.Image, f"{kind.loader}_source")
    image = loader(handle, access="sequential", fail_on="truncated")
    return as_meant(image, source) if kind.loader == "heifload" else image


def _check_size(image: pyvips.Image, name: str) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS or max(image.width, image.height) > MAX_SIDE:
        raise ImageError(
            f"{name} says it has {image.width} x {image.height} pixels, which is too large.",
            f"At most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} pixels a side are read.",
        )


def _check_single(image: pyvips.Image, name: str) -> None:
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if pages > 1:
        raise ImageError(
            f"{name} holds {pages} pages or frames; only single pictures can be denoised.",
            "Split it into single pictures first.",
        )


def _normalised(image: pyvips.Image, notes: list[str]) -> pyvips.Image:
    """The image as grey or RGB; appends a note where its colours were converted."""
    kind = image.interpretation
    if kind in {"cmyk", "lab", "labs", "labq", "xyz", "yxy", "lch"}:
        notes.append(f"its colours were converted from {kind.upper()} to sRGB")
        if image.get_typeof("icc-profile-data"):
            image = image.icc_transform("srgb", embedded=True, depth=16 if image.format == "ushort" else 8)
        else:
            image = image.colourspace("rgb16" if image.format == "ushort" else "srgb")
        image = image.copy()
        if image.get_typeof("icc-profile-data"):
            image.remove("icc-profile-data")
    elif image.get_typeof("palette") or image.get_typeof("palette-bit-depth"):
        notes.append("its palette was converted to full colour")
    return image


def _damaged(name: str, kind: Format, error: pyvips.Error) -> ImageError:
    detail = str(error.detail or "")
    if kind.name == "heic" and any(word in detail for word in ("plugin", "not been built", "nsupported")):
        return ImageError(
            f"{name} is a HEIC file, which the installed libvips cannot decode.",
            "Convert it to JPEG or PNG first, or run `pip uninstall pyvips-binary` and install the "
            "system's libvips (`apt install libvips42`, `brew install vips`), which can.",
        )
    reason = " ".join(detail.split("\n", maxsplit=1)[0].split())
    return ImageError(f"{name} is a damaged {kind.name.upper()} file ({reason or 'it cannot be decoded'}).")
