"""Write a photo strip by strip, with the metadata of the one it came from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyvips

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.files import atomic_write_path
from denoise_cli.photo.files.bmp import write_bmp
from denoise_cli.photo.files.formats import Format
from denoise_cli.photo.files.png_stream import CancelledError, PngStream
from denoise_cli.photo.files.read import EXIF, Photo
from denoise_cli.photo.files.tiff_exif import add_exif
from denoise_cli.photo.pixels.types import Pixels, Sink

DEFAULT_QUALITY = 95
_CODECS = {"avif": "av1", "heic": "hevc"}
_DTYPES: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.float32)}
_INTERPRETATIONS = {(1, 8): "b-w", (1, 16): "grey16", (1, 32): "b-w", (3, 8): "srgb", (3, 16): "rgb16"}
# What describes the old file's coding rather than the picture.
_NOT_KEPT = frozenset(
    {
        *("width", "height", "bands", "format", "coding", "interpretation", "xoffset", "yoffset"),
        *("xres", "yres", "filename", "vips-loader", "vips-sequential", "n-pages", "n-subifds", "subifd"),
        *("page-height", "palette", "bits-per-sample", "interlaced", "jpeg-multiscan"),
        *("jpeg-chroma-subsample", "jpeg-thumbnail-data", "heif-compression", "heif-bitdepth"),
    }
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a result.

    Attributes:
        format: File format.
        bits: Bits per colour value; 32 is float.
        quality: 1 to 100 for the lossy formats; 100 is lossless in WebP, AVIF and HEIC.
    """

    format: Format
    bits: int
    quality: int = DEFAULT_QUALITY

    @property
    def dtype(self) -> np.dtype[Any]:
        return _DTYPES[self.bits]


def choose_encoding(photo: Photo, kind: Format, bits: int | None, quality: int | None) -> Encoding:
    """The depth asked for, else the photo's or the nearest that the format holds.

    Raises:
        UsageError: The format cannot hold that many bits, or libvips cannot write it.
    """
    if kind.name in _CODECS and not _encodes(_CODECS[kind.name]):
        raise UsageError(
            f"The installed libvips cannot write {kind.name.upper()} files.", "Choose another --format."
        )
    if bits is None:
        wanted = photo.dtype.itemsize * 8
        bits = wanted if wanted in kind.depths else max(d for d in kind.depths if d <= 16)
    if bits not in kind.depths:
        depths = " or ".join(str(depth) for depth in kind.depths)
        raise UsageError(f"{kind.name.upper()} files hold {depths} bits a colour, not {bits}.")
    return Encoding(kind, bits, quality or DEFAULT_QUALITY)


def losses(photo: Photo, encoding: Encoding) -> tuple[str, ...]:
    """Notes for the user on what the format cannot hold of the photo."""
    name = encoding.format.name.upper()
    lost = []
    if photo.alpha and not encoding.format.alpha:
        lost.append(f"{name} files hold no transparency, so it was dropped")
    if encoding.bits < photo.dtype.itemsize * 8:
        lost.append(f"it was stored with {encoding.bits} bits a colour")
    if not encoding.format.loader and photo.format != encoding.format:
        lost.append(f"{name} files hold no EXIF data or colour profile, so these were dropped")
    return tuple(lost)


@contextmanager
def writing(
    path: Path, photo: Photo, encoding: Encoding, *, overwrite: bool = True, mode: int | None = None
) -> Iterator[Sink]:
    """A sink whose rows become the file `path`, whole or not at all.

    Rows have the photo's channels (and alpha, which is dropped where the format has none) and
    `encoding.dtype`.

    Args:
        overwrite, mode: As `replace` and `mode` of `atomic_write_path`, which says what it raises.

    Raises:
        ImageError: The file cannot be written.
    """
    alpha = photo.alpha and encoding.format.alpha
    with atomic_write_path(path, replace=overwrite, mode=mode) as temporary:
        if encoding.bits == 32 or not encoding.format.loader:
            collector = _Collector(photo, alpha, encoding)
            yield collector
            collector.save(temporary)
        else:
            with _Streamer(temporary, photo, alpha, encoding) as streamer:
                yield streamer
        if encoding.format.name == "tiff" and photo.header.get_typeof(EXIF):
            add_exif(temporary, photo.header.get(EXIF))


class _Streamer:
    """Encodes in a separate thread while rows arrive."""

    def __init__(self, path: Path, photo: Photo, alpha: bool, encoding: Encoding) -> None:
        self._path, self._photo, self._encoding = path, photo, encoding
        self.dtype = encoding.dtype
        self._channels = photo.channels + alpha
        self._stream = PngStream(photo.height, photo.width, self._channels, encoding.dtype)
        self._error: Exception | None = None
        self._thread = Thread(target=self._encode, daemon=True)

    def __enter__(self) -> _Streamer:
        self._thread.start()
        return self

    def write(self, strip: Pixels) -> None:
        try:
            self._stream.write(strip[..., : self._channels])
        except CancelledError:
            self._fail()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is not None:
            self._stream.cancel()
            self._thread.join()
            return
        try:
            self._stream.finish()
        except CancelledError:
            self._fail()
        self._thread.join()
        if self._error is not None:
            self._fail()

    def _encode(self) -> None:
        try:
            source = pyvips.SourceCustom()
            source.on_read(self._stream.read)
            image = pyvips.Image.pngload_source(
                source, access="sequential", fail_on="truncated", unlimited=True
            )
            _save(_with_metadata(image, self._photo, self._encoding), self._path, self._encoding)
        except Exception as error:  # it belongs to the thread that writes, which raises it
            self._error = error
        finally:
            self._stream.close()

    def _fail(self) -> None:
        self._thread.join()
        raise _not_written(self._error) from self._error


class _Collector:
    """Keeps all rows, for the formats that cannot be streamed: BMP and float TIFF."""

    def __init__(self, photo: Photo, alpha: bool, encoding: Encoding) -> None:
        self._photo, self._encoding = photo, encoding
        self.dtype = encoding.dtype
        self._pixels = np.empty((photo.height, photo.width, photo.channels + alpha), encoding.dtype)
        self._done = 0

    def write(self, strip: Pixels) -> None:
        self._pixels[self._done : self._done + len(strip)] = strip[..., : self._pixels.shape[2]]
        self._done += len(strip)

    def save(self, path: Path) -> None:
        header = self._photo.header
        if not self._encoding.format.loader:
            write_bmp(path, self._pixels, (header.xres, header.yres))
            return
        try:
            image = pyvips.Image.new_from_array(self._pixels)
            _save(_with_metadata(image, self._photo, self._encoding), path, self._encoding)
        except pyvips.Error as error:
            raise _not_written(error) from error


def _with_metadata(image: pyvips.Image, photo: Photo, encoding: Encoding) -> pyvips.Image:
    """`image` with the photo's EXIF, XMP, ICC profile, resolution and the like."""
    header = photo.header
    kind = _INTERPRETATIONS.get((photo.channels, encoding.bits), "scrgb")
    image = image.copy(interpretation=kind, xres=header.xres, yres=header.yres)
    for name in header.get_fields():
        if name not in _NOT_KEPT:
            image.set_type(header.get_typeof(name), name, header.get(name))
    return image


def _save(image: pyvips.Image, path: Path, encoding: Encoding) -> None:
    quality = encoding.quality
    target = pyvips.Target.new_to_file(os.fsencode(path))
    match encoding.format.name:
        case "png":
            image.pngsave_target(target, compression=6, bitdepth=encoding.bits)
        case "jpeg":
            # Optimised Huffman tables would keep the whole photo's coefficients in memory.
            image.jpegsave_target(target, Q=quality, optimize_coding=False)
        case "tiff":
            image.tiffsave_target(target, compression="deflate", predictor="horizontal")
        case "webp":
            # Older libraries do not keep the colours of fully transparent pixels.
            exact = {"exact": True} if pyvips.at_least_libvips(8, 16) else {}
            image.webpsave_target(target, Q=quality, lossless=quality == 100, smart_subsample=True, **exact)
        case name:
            # The usual effort, 4, takes eight times as long for a file of the same size, 0.4 dB better.
            lossless, codec = quality == 100, _CODECS[name]
            image.heifsave_target(target, Q=quality, lossless=lossless, compression=codec, effort=2)


@cache
def _encodes(codec: str) -> bool:
    """Whether this libvips was built with an encoder for it."""
    try:
        pyvips.Image.black(16, 16, bands=3).heifsave_buffer(compression=codec)
    except pyvips.Error:
        return False
    return True


def _not_written(error: Exception | None) -> ImageError:
    detail = error.detail if isinstance(error, pyvips.Error) else str(error)
    return ImageError(f"The result cannot be written ({' '.join(str(detail).split())}).")
