"""Hand libvips one picture of a TIFF file: the file as it is, between another header and directory.

That directory holds nothing but what the picture needs and metadata that is sound, so that a warning
of libtiff is one of the pixels.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.tiff_directory import BrokenTiffError, Tiff
from denoise_cli.photo.files.tiff_picture import TiffPicture, find_picture

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 2, 3, 4, 5, 7, 16
_COLOURS, _SAMPLES, _PLANAR, _ORIENTATION, _DESCRIPTION, _EXTRA_SAMPLES = 262, 277, 284, 274, 270, 338
_PER_SAMPLE = (258, 339)
# Size, depth, compression, colours, fax options, predictor, palette, tiles, JPEG tables, YCbCr.
_PIXEL_TAGS = {256, 257, 258, 259, 266, 277, 278, 284, 292, 293, 317, 320, 322, 323, 332, 338, 339}
_PIXEL_TAGS |= {347, 529, 530, 531, 532, 34016, 50674}
# Description, orientation, resolution and its unit, XMP, IPTC, Photoshop's resources, ICC profile.
_METADATA = {
    270: {_ASCII},
    274: {_SHORT},
    282: {_RATIONAL},
    283: {_RATIONAL},
    296: {_SHORT},
    700: {_BYTE, _UNDEFINED},
}
_METADATA |= {33723: {_BYTE, _LONG, _UNDEFINED}, 34377: {_BYTE, _UNDEFINED}, 34675: {_UNDEFINED}}
# Bytes of a BigTIFF header, which stands before the file.
_HEAD = 16
# Channels of a picture by its colours; others are extra ones.
_CHANNELS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
_LACKING = ("not configured", "not implemented")


class TiffSource:
    """A TIFF file whose one picture can be loaded again and again.

    Raises:
        ImageError: It cannot be read; see `tiff_picture`.
    """

    def __init__(self, source: Path | bytes, limits: Limits) -> None:
        self._source, self._name = source, limits.name
        with opened(source) as file:
            tiff = Tiff(file)
            picture = find_picture(tiff, limits)
            self._size, self._order = tiff.size, tiff.order
            self._codec, self._fail_on = picture.codec, picture.fail_on
            try:
                tags = _tags(picture)
            except BrokenTiffError as error:
                raise ImageError(f"{limits.name} is a damaged TIFF file ({error}).") from error
        # libvips reads planes in strips, but not in tiles.
        split = picture.planes and picture.tiled
        self._directories = [
            _directory(self._order, self._size, _one_plane(tags, picture, plane) if split else tags)
            for plane in range(picture.channels if split else 1)
        ]
        if not picture.plain:
            self._check_codec()

    def load(self) -> pyvips.Image:
        """A fresh sequential image."""
        parts = [self._load(directory) for directory in self._directories]
        return parts[0].bandjoin(parts[1:]) if len(parts) > 1 else parts[0]

    def _check_codec(self) -> None:
        """Decode some pixels.

        Raises:
            ImageError: libvips lacks the codec.
            pyvips.Error: They are damaged.
        """
        try:
            for directory in self._directories:
                image = self._load(directory)
                pyvips.Region.new(image).fetch(0, 0, 1, 1)
        except pyvips.Error as error:
            if any(words in str(error.detail) for words in _LACKING):
                raise ImageError(
                    f"{self._name} is a TIFF file compressed with {self._codec}, which the installed libvips "
                    "cannot decode.",
                    "Save it with LZW or Deflate compression first.",
                ) from error
            raise

    def _load(self, directory: bytes) -> pyvips.Image:
        view = _View(opened(self._source), self._order, self._size, directory)
        source = pyvips.SourceCustom()
        source.on_read(view.read)
        source.on_seek(view.seek)
        # Unlike `tiffload_source`, this keeps the callbacks alive as long as the image.
        return pyvips.Image.new_from_source(
            source, "", access="sequential", fail_on=self._fail_on, **_unlimited()
        )


@cache
def _unlimited() -> dict[str, bool]:
    """Without its limit of 50 MB a strip; ours are checked before."""
    known = pyvips.Introspect.get("tiffload_source").optional_input
    return {"unlimited": True} if "unlimited" in known else {}


class _View:
    """A header, the file, and a directory, as a source for libvips."""

    def __init__(self, file: BinaryIO, order: str, size: int, directory: bytes) -> None:
        mark = b"II" if order == "<" else b"MM"
        self._head = mark + struct.pack(order + "HHHQ", 43, 8, 0, _after(size))
        self._file, self._end = file, _HEAD + size
        self._tail = b"\0" * (_after(size) - self._end) + directory
        self._place = 0

    def read(self, count: int) -> bytes:
        place = self._place
        if place < _HEAD:
            data = self._head[place : place + count]
        elif place < self._end:
            self._file.seek(place - _HEAD)
            data = self._file.read(min(count, self._end - place))
        else:
            data = self._tail[place - self._end :][:count]
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        start = (0, self._place, self._end + len(self._tail))[whence]
        self._place = max(0, start + offset)
        return self._place

    def __del__(self) -> None:
        self._file.close()


def _after(size: int) -> int:
    """Where the directory is, on a whole number of words."""
    return _HEAD + size + -size % 8


_Tags = dict[int, tuple[int, int, bytes]]


def _tags(picture: TiffPicture) -> _Tags:
    """Type, count and bytes of each tag that is handed on."""
    directory, order = picture.directory, picture.directory.tiff.order
    found: _Tags = {_COLOURS: (_SHORT, 1, struct.pack(order + "H", picture.colours))}
    for tag in (*_PIXEL_TAGS, *_METADATA):
        entry = directory.entries.get(tag)
        if entry is None or entry.kind not in _METADATA.get(tag, {entry.kind}):
            continue
        try:
            found[tag] = (entry.kind, entry.count, directory.raw(tag))
        except BrokenTiffError:
            if tag in _PIXEL_TAGS:
                raise
    if directory.number(_ORIENTATION, 1) not in range(1, 9):
        found.pop(_ORIENTATION, None)
    for tag in _PER_SAMPLE:
        if tag in found:
            value = struct.pack(order + "H", directory.number(tag, 1))
            found[tag] = (_SHORT, picture.channels, value * picture.channels)
    extra = picture.channels - _CHANNELS[picture.colours]
    if not extra:
        found.pop(_EXTRA_SAMPLES, None)
    elif found.get(_EXTRA_SAMPLES, (0, 0))[1] != extra:
        # What they are is not said.
        found[_EXTRA_SAMPLES] = (_SHORT, extra, bytes(2 * extra))
    if _DESCRIPTION in found:
        # libtiff warns of a text without an end, and of one that goes on behind it.
        text = found[_DESCRIPTION][2].split(b"\0", maxsplit=1)[0] + b"\0"
        found[_DESCRIPTION] = (_ASCII, len(text), text)
    for tag, values in zip(
        (324, 325) if picture.tiled else (273, 279),
        ([_HEAD + place for place in picture.places], picture.lengths),
        strict=True,
    ):
        found[tag] = (_LONG8, len(values), struct.pack(f"{order}{len(values)}Q", *values))
    return found


def _one_plane(tags: _Tags, picture: TiffPicture, plane: int) -> _Tags:
    """The tags of one channel as a picture of its own; metadata stays with the first."""
    order, count = picture.directory.tiff.order, len(picture.places) // picture.channels
    one = {tag: value for tag, value in tags.items() if tag != _EXTRA_SAMPLES}
    one |= {tag: (_SHORT, 1, struct.pack(order + "H", 1)) for tag in (_COLOURS, _SAMPLES, _PLANAR)}
    for tag in _PER_SAMPLE:
        if tag in one:
            one[tag] = (_SHORT, 1, one[tag][2][:2])
    for tag in (324, 325):
        one[tag] = (_LONG8, count, tags[tag][2][8 * count * plane : 8 * count * (plane + 1)])
    return one


def _directory(order: str, size: int, tags: _Tags) -> bytes:
    """A BigTIFF directory with the values behind it, to stand behind a file of this size."""
    body, values = struct.pack(order + "Q", len(tags)), b""
    start = _after(size) + 8 + 20 * len(tags) + 8
    for tag, (kind, count, data) in sorted(tags.items()):
        place = data.ljust(8, b"\0")
        if len(data) > 8:
            place = struct.pack(order + "Q", start + len(values))
            values += data + b"\0" * (-len(data) % 8)
        body += struct.pack(order + "HHQ", tag, kind, count) + place
    return body + bytes(8) + values
