"""Open a photo of any supported format and read it in strips."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files import heic
from denoise_cli.photo.files.bmp import read_bmp
from denoise_cli.photo.files.formats import FORMATS, SNIFFED, Format, other_format, show, sniff
from denoise_cli.photo.files.headers import check_jpeg, check_png, check_webp
from denoise_cli.photo.files.heif_header import check_heif
from denoise_cli.photo.files.heif_pixels import as_meant
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.metadata.carry import opened, read_metadata
from denoise_cli.photo.files.metadata.types import Metadata
from denoise_cli.photo.files.raw import CameraRawError, is_raw_head, is_raw_name
from denoise_cli.photo.files.raw_develop import can_develop, develop, raw_metadata
from denoise_cli.photo.files.tiff_view import TiffSource
from denoise_cli.photo.pixels.types import FLOAT_MOST, Pixels

_DTYPES: dict[str, np.dtype[Any]] = {
    "uchar": np.dtype(np.uint8),
    "ushort": np.dtype(np.uint16),
    "float": np.dtype(np.float32),
}
# libvips warns of oddities in files that it reads well; what goes wrong is raised.
logging.getLogger("pyvips").addHandler(logging.NullHandler())
# Each photo is read once or twice and let go; a cache of operations would only hold on to rows.
pyvips.cache_set_max(0)
_CHECKS: dict[str, Callable[[BinaryIO, Limits], None]] = {
    "png": check_png,
    "jpeg": check_jpeg,
    "webp": check_webp,
    "avif": check_heif,
    "heic": check_heif,
}
# libjpeg's warnings of pixels that it could not read.
_UNREAD = re.compile(r"premature end|Premature end|bad \w+ code|bad arithmetic|RST|before marker 0xd[0-7]")
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
        source: The file, or all of it where it came through a pipe.
        developed: Whether it is a camera raw file, whose pixels are those of a 16-bit TIFF file.
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
    source: Path | bytes = field(repr=False)
    _load: Callable[[str], pyvips.Image] = field(repr=False)
    developed: bool = False

    @cached_property
    def metadata(self) -> Metadata:
        """What the file holds beside the pixels."""
        return raw_metadata(self.source) if self.developed else read_metadata(self.source, self.format.name)

    def strips(self, rows: int) -> Iterator[Pixels]:
        """All pixels from top to bottom, (<= rows, W, channels [+ 1 for alpha]) at a time.

        Raises:
            ImageError: The file is damaged or ends early.
        """
        done = 0
        # Of JPEG data, libjpeg but warns of what it could not read, and of much that does not matter.
        for fail_on in ("warning", "truncated") if self.format.name == "jpeg" else ("truncated",):
            try:
                for top, strip in self._strips(rows, fail_on):
                    if top == done:
                        done += len(strip)
                        yield strip
                return
            except pyvips.Error as error:
                if fail_on == "truncated" or _UNREAD.search(str(error.detail)):
                    raise _damaged(self.name, self.format, error) from error

    def _strips(self, rows: int, fail_on: str) -> Iterator[tuple[int, Pixels]]:
        image = _normalised(self._load(fail_on), [])
        region = pyvips.Region.new(image)
        for top in range(0, self.height, rows):
            count = min(rows, self.height - top)
            data = region.fetch(0, top, self.width, count)
            strip = np.frombuffer(data, self.dtype).reshape(count, self.width, -1)
            if self.dtype.kind == "f":
                _check_range(strip, self.name)
            yield top, strip


def open_photo(source: Path | bytes, max_pixels: int | None = None) -> Photo:
    """Open a photo from a path or from the bytes of a file.

    Args:
        max_pixels: Megapixels of the largest photo to read. By default 1000, and less where a file
            is too small for so many, or can only be decoded whole and takes more than 500 MB
            of memory and more than 400 times its size.

    Raises:
        ImageError: Missing, not a picture, of a kind that is not supported, or too large.
    """
    name = show(source) if isinstance(source, Path) else "The input"
    if isinstance(source, Path):
        source = _held(source, name)
    try:
        return _open_picture(source, name, max_pixels)
    except CameraRawError:
        if not can_develop():
            raise
        return _open_raw(source, name, max_pixels)


def _open_raw(source: Path | bytes, name: str, max_pixels: int | None) -> Photo:
    pixels = develop(source, Limits(name, _size(source), max_pixels))
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16")
    return Photo(
        name=name,
        format=FORMATS["tiff"],
        height=image.height,
        width=image.width,
        channels=3,
        alpha=False,
        dtype=np.dtype(np.uint16),
        notes=("it was developed by LibRaw, with the camera's white balance",),
        header=image,
        source=source,
        _load=lambda fail_on: image,
        developed=True,
    )


def _open_picture(source: Path | bytes, name: str, max_pixels: int | None) -> Photo:
    kind = _detect(source, name)
    notes: list[str] = []
    try:
        load = _loader(source, Limits(name, _size(source), max_pixels), kind)
        raw = load("truncated")
        if kind.loader != "heifload":  # libvips counts tiles, too
            _check_single(raw, name)
        image = _normalised(raw, notes)
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
        source=source,
        _load=load,
    )


def _held(path: Path, name: str) -> Path | bytes:
    """The path of a file, or all that a pipe holds: it can be read only once, and not from the middle."""
    try:
        if path.is_char_device() or path.is_block_device():
            raise ImageError(f"{name} is a device or a terminal.")
        return path if path.is_file() or path.is_dir() else path.read_bytes()
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _detect(source: Path | bytes, name: str) -> Format:
    """The format that the file's first bytes show."""
    if isinstance(source, Path) and source.is_dir():
        raise ImageError(f"{name} is a folder.")
    try:
        with opened(source) as file:
            head = file.read(SNIFFED)
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error
    if not head:
        raise ImageError(f"{name} is empty.")
    kind = sniff(head)
    raw_name = isinstance(source, Path) and is_raw_name(source)
    if is_raw_head(head) or (raw_name and (kind is None or kind.name == "tiff")):
        raise CameraRawError(name)
    if kind is None:
        other = other_format(head)
        what = f"a {other} file, which is not supported" if other else "not a picture that can be read"
        raise ImageError(f"{name} is {what}.", f"{_READABLE} files can be read.")
    return kind


def _loader(source: Path | bytes, limits: Limits, kind: Format) -> Callable[[str], pyvips.Image]:
    """What makes a fresh sequential image, nothing decoded yet (BMP: decoded), of a checked file.

    It takes from what on the library gives up; for all but those that libvips opens itself, that is known.
    """
    if kind.name == "tiff":
        tiff = TiffSource(source, limits)
        return lambda fail_on: tiff.load()
    if kind.name == "bmp":
        return lambda fail_on: _load_bmp(source, limits)
    with opened(source) as file:
        _CHECKS[kind.name](file, limits)
    if kind.name == "heic" and heic.is_ours(source):
        image = heic.decode(source, limits)
        return lambda fail_on: image
    return lambda fail_on: _load(source, kind, fail_on)


def _load_bmp(source: Path | bytes, limits: Limits) -> pyvips.Image:
    with opened(source) as file:
        pixels, resolution = read_bmp(file, limits)
    image = pyvips.Image.new_from_array(pixels)
    return image.copy(xres=resolution[0], yres=resolution[1])


def _load(source: Path | bytes, kind: Format, fail_on: str) -> pyvips.Image:
    if isinstance(source, bytes):
        loader = getattr(pyvips.Image, f"{kind.loader}_buffer")
        image = loader(source, access="sequential", fail_on=fail_on)
        return as_meant(image, source) if kind.loader == "heifload" else image
    # libvips takes "[...]" at the end of a file name for options; a source does not.
    handle = pyvips.Source.new_from_file(os.fsencode(source))
    loader = getattr(pyvips.Image, f"{kind.loader}_source")
    image = loader(handle, access="sequential", fail_on=fail_on)
    return as_meant(image, source) if kind.loader == "heifload" else image


def _check_range(strip: Pixels, name: str) -> None:
    """Refuse floats on another scale than 0 to 1; infinity stands for broken pixels, as NaN does."""
    beyond = np.abs(strip) > FLOAT_MOST
    if beyond.any() and np.isfinite(found := strip[beyond]).any():
        most = found[np.isfinite(found)][0]
        raise ImageError(
            f"{name} holds floating-point colours such as {most:g}, and they must be from 0 to 1.",
            "Divide them by their largest value first, or save it with 16-bit integers.",
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
            f"{name} is a HEIC file, and nothing that decodes those is installed.",
            "Install it: pip install pi-heif; or convert the photo to JPEG or PNG first.",
        )
    reason = " ".join(detail.split("\n", maxsplit=1)[0].split())
    return ImageError(f"{name} is a damaged {kind.name.upper()} file ({reason or 'it cannot be decoded'}).")
