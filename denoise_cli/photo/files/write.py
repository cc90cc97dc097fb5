"""Write a photo strip by strip, with the metadata of the one it came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.files import atomic_write_path
from denoise_cli.photo.files.bmp import write_bmp
from denoise_cli.photo.files.encode import encode
from denoise_cli.photo.files.encoding import Encoding
from denoise_cli.photo.files.png_stream import CancelledError, PngStream
from denoise_cli.photo.files.read import Photo
from denoise_cli.photo.pixels.types import Pixels, Sink

_INTERPRETATIONS = {(1, 8): "b-w", (1, 16): "grey16", (1, 32): "b-w", (3, 8): "srgb", (3, 16): "rgb16"}


@contextmanager
def writing(
    path: Path, photo: Photo, encoding: Encoding, *, overwrite: bool = True, mode: int | None = None
) -> Iterator[Sink]:
    """A sink whose rows become the file `path`, whole or not at all.

    Rows have the photo's channels, alpha among them whether it is written or not, and `encoding.dtype`.

    Args:
        overwrite, mode: As `replace` and `mode` of `atomic_write_path`, which says what it raises.

    Raises:
        ImageError: The file cannot be written.
    """
    with atomic_write_path(path, replace=overwrite, mode=mode) as temporary:
        if encoding.bits == 32 or not encoding.format.loader:
            collector = _Collector(photo, encoding)
            yield collector
            collector.save(temporary)
        else:
            with _Streamer(temporary, photo, encoding) as streamer:
                yield streamer


class _Streamer:
    """Encodes in a separate thread while rows arrive."""

    def __init__(self, path: Path, photo: Photo, encoding: Encoding) -> None:
        self._path, self._photo, self._encoding = path, photo, encoding
        self.dtype = encoding.dtype
        channels = photo.channels + encoding.alpha
        self._stream = PngStream(photo.height, photo.width, channels, encoding.dtype)
        self._error: Exception | None = None
        self._thread = Thread(target=self._encode, daemon=True)

    def __enter__(self) -> _Streamer:
        self._thread.start()
        return self

    def write(self, strip: Pixels) -> None:
        try:
            self._stream.write(_rows(strip, self._photo, self._encoding))
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
            image = _interpreted(image, self._photo, self._encoding)
            encode(image, self._path, self._encoding, self._photo.source)
        except Exception as error:  # it belongs to the thread that writes, which raises it
            self._error = error
        finally:
            self._stream.close()

    def _fail(self) -> None:
        self._thread.join()
        raise _not_written(self._error) from self._error


class _Collector:
    """Keeps all rows, for the formats that cannot be streamed: BMP and float TIFF."""

    def __init__(self, photo: Photo, encoding: Encoding) -> None:
        self._photo, self._encoding = photo, encoding
        self.dtype = encoding.dtype
        channels = photo.channels + encoding.alpha
        self._pixels = np.empty((photo.height, photo.width, channels), encoding.dtype)
        self._done = 0

    def write(self, strip: Pixels) -> None:
        self._pixels[self._done : self._done + len(strip)] = _rows(strip, self._photo, self._encoding)
        self._done += len(strip)

    def save(self, path: Path) -> None:
        if not self._encoding.format.loader:
            found = self._encoding.metadata.resolution
            across, down = found.per_metre if found is not None else (0, 0)
            write_bmp(path, self._pixels, (float(across) / 1000, float(down) / 1000))
            return
        try:
            image = pyvips.Image.new_from_array(self._pixels)
            image = _interpreted(image, self._photo, self._encoding)
            encode(image, path, self._encoding, self._photo.source)
        except (pyvips.Error, OSError) as error:
            raise _not_written(error) from error


def _rows(strip: Pixels, photo: Photo, encoding: Encoding) -> Pixels:
    """The rows as the file holds them: on white, without a channel, or of fewer bits."""
    if encoding.flat:
        alpha = strip[..., -1:].astype(np.float32) / np.iinfo(strip.dtype).max
        white = np.iinfo(strip.dtype).max * (1 - alpha)
        strip = (strip[..., :-1] * alpha + white).round().astype(strip.dtype)
    strip = strip[..., : photo.channels + encoding.alpha]
    if encoding.bits in {10, 12}:
        # libvips cuts the lower bits off.
        most = 2**encoding.bits - 1
        strip = (strip * np.float32(most / 65535)).round().astype(np.uint16) << (16 - encoding.bits)
    return strip


def _interpreted(image: pyvips.Image, photo: Photo, encoding: Encoding) -> pyvips.Image:
    depth = 16 if encoding.bits in {10, 12} else encoding.bits
    return image.copy(interpretation=_INTERPRETATIONS.get((photo.channels, depth), "scrgb"))


def _not_written(error: Exception | None) -> ImageError:
    detail = error.detail if isinstance(error, pyvips.Error) else str(error)
    return ImageError(f"The result cannot be written ({' '.join(str(detail).split())}).")
