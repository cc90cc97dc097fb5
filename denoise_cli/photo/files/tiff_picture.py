"""What libvips must not be left to find out of a TIFF file: whether it can read it, and all of it.

libvips shows black where it lacks a codec or a strip is broken, takes some colours for others, and
believes every number. So the one picture in a file is found and checked here, see `tiff_view` for
how it is handed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.raw import CameraRawError, is_raw_directory
from denoise_cli.photo.files.tiff_directory import BrokenTiffError, Directory, Tiff

_SUBFILE, _OLD_SUBFILE, _SUB_DIRECTORIES = 254, 255, 330
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _ROWS, _PLANAR, _SAMPLE_FORMAT, _INK_SET = 277, 278, 284, 339, 332
_STRIPS, _TILES = (273, 279), (324, 325)
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_REDUCED, _MASK = 1, 4
_CODECS = {
    **{1: "none", 2: "CCITT", 3: "CCITT fax 3", 4: "CCITT fax 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG"},
    **{8: "Deflate", 9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT", 32771: "CCITT"},
    **{32773: "PackBits", 32809: "ThunderScan", 32908: "Pixar film", 32909: "Pixar log", 32946: "Deflate"},
    **{33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI log"},
    **{34677: "SGI log", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA"},
    **{34933: "PNG", 34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL"},
    **{52546: "JPEG XL"},
}
_UNCOMPRESSED, _LZW, _OLD_JPEG = 1, 5, 6
_PLAIN = {_UNCOMPRESSED, 2, 3, 4, _LZW, 8, 32773, 32946}
# libvips refuses tiles of more than 100 MB.
_MOST_TILE = 100_000_000
_LOSSY = {7, 50001}  # JPEG and WebP
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOURS = {4: "a transparency mask", 9: "ICC Lab colours", 10: "ITU Lab colours", 32844: "LogL colours"}
_COLOURS |= {32845: "LogLuv colours"}
_FORMATS = {1: "unsigned integers", 2: "signed integers", 3: "floating point"}
_FORMATS |= {5: "complex integers", 6: "complex numbers"}


@dataclass(frozen=True, slots=True)
class TiffPicture:
    """The one picture of a TIFF file, which fits the file and can be read.

    Attributes:
        directory: Its tags.
        codec: Name of its compression.
        plain: Whether every libtiff has that.
        colours: The kind of its colours, a value of the tag PhotometricInterpretation.
        tiled: Whether it is stored in tiles.
        planes: Whether its channels are stored one after another.
        channels: Samples per pixel, alpha included.
        places, lengths: Of its strips or tiles, in bytes.
        fail_on: From what on libvips must give up.
    """

    directory: Directory
    codec: str
    plain: bool
    colours: int
    tiled: bool
    planes: bool
    channels: int
    places: list[int]
    lengths: list[int]
    fail_on: str


def find_picture(tiff: Tiff, limits: Limits) -> TiffPicture:
    """The picture of a file, checked.

    Raises:
        ImageError: There are several, it is not supported, too large, or not whole.
    """
    try:
        pages = list(tiff.directories())
        pictures = [page for page in pages if not _is_minor(page)]
        below = [sub for page in pages for sub in page.below(_SUB_DIRECTORIES)]
        if any(map(is_raw_directory, pages + below)):
            raise CameraRawError(limits.name)
        if len(pictures) > 1:
            raise ImageError(
                f"{limits.name} holds {len(pictures)} pages; only single pictures can be denoised.",
                "Split it into single pictures first.",
            )
        if not pictures and not all(map(_is_minor, below)):
            _refuse(limits, "its picture lies below that of a preview")
        return _Checked(pictures[0] if pictures else pages[0], limits).picture()
    except BrokenTiffError as error:
        raise ImageError(f"{limits.name} is a damaged TIFF file ({error}).") from error


def _is_minor(page: Directory) -> bool:
    """Whether a page is a preview, an overview or a mask of another."""
    flags = page.number(_SUBFILE, 0)
    return bool(flags & (_REDUCED | _MASK)) or page.number(_OLD_SUBFILE, 1) == 2


def _refuse(limits: Limits, reason: str) -> NoReturn:
    raise ImageError(
        f"{limits.name} is a TIFF file that is not supported: {reason}.",
        "Save it as RGB or grey with 8 or 16 bits, uncompressed or with LZW or Deflate.",
    )


class _Checked:
    """One directory while it is checked."""

    def __init__(self, directory: Directory, limits: Limits) -> None:
        number = directory.number
        self._directory, self._limits = directory, limits
        self._width, self._height = number(_WIDTH, 0), number(_HEIGHT, 0)
        self._samples, self._planes = number(_SAMPLES, 1), number(_PLANAR, 1) == 2
        self._codec = number(_COMPRESSION, _UNCOMPRESSED)
        self._colours = number(_PHOTOMETRIC, _RGB if self._samples > 2 else _MIN_IS_BLACK)
        # None: of different sizes or kinds in one picture.
        self._bits = _common(directory, _BITS)
        self._format = _common(directory, _SAMPLE_FORMAT)
        self._tiled = _TILE_WIDTH in directory

    def picture(self) -> TiffPicture:
        self._check_samples()
        pixel_bytes = -(-(self._bits or 1) * self._samples // 8)
        self._limits.check_rows(self._width, self._height, pixel_bytes)
        self._check_colours()
        name = _CODECS.get(self._codec, f"scheme {self._codec}")
        if self._codec == _OLD_JPEG:
            _refuse(self._limits, "it is compressed with old-style JPEG")
        places, lengths = self._pieces()
        # Old LZW files are sound but warned of; a broken tile is nothing but warned of.
        fail_on = "error" if self._codec == _LZW and not self._tiled else "warning"
        return TiffPicture(
            self._directory,
            name,
            self._codec in _PLAIN,
            self._colours,
            self._tiled,
            self._planes and self._samples > 1,
            self._samples,
            places,
            lengths,
            fail_on,
        )

    def _check_samples(self) -> None:
        if not 1 <= self._samples <= 16:
            _refuse(self._limits, f"it has {self._samples} channels")
        if self._bits is None or self._format is None:
            _refuse(self._limits, "its channels have different depths")
        whole, real = {8, 16} if self._samples > 1 else {1, 2, 4, 8, 16}, {16, 32}
        # 4: the writer did not say.
        kind = 1 if self._format == 4 else self._format
        if not ((kind == 1 and self._bits in whole) or (kind == 3 and self._bits in real)):
            what = _FORMATS.get(kind, f"samples of kind {kind}")
            _refuse(self._limits, f"its colours are {what} of {self._bits} bits")
        if kind == 3 and self._bits == 16 and self._planes and self._samples > 1:
            _refuse(self._limits, "its channels are stored one after another, as 16-bit floating point")

    def _check_colours(self) -> None:
        real, wide = self._format == 3, self._bits == 16
        colours = self._colours
        supported = {
            _MIN_IS_WHITE: self._samples <= 2 and not real,
            _MIN_IS_BLACK: True,
            _RGB: self._samples >= 3,
            _PALETTE: self._samples == 1 and not wide and not real,
            _CMYK: self._samples >= 4 and not real and self._directory.number(_INK_SET, 1) == 1,
            _YCBCR: self._samples == 3 and self._codec in _LOSSY,
            _LAB: self._samples >= 3 and wide and not real,
        }
        if not supported.get(colours, False):
            names = {0: "inverted", 2: "RGB", 3: "palette", 5: "ink", 6: "YCbCr", 8: "CIE Lab"}
            what = f"{names.get(colours, f'unknown ({colours})')} colours"
            kind = " of floating point" if real else f" of {self._bits} bits"
            _refuse(self._limits, f"it has {_COLOURS.get(colours, what)}{kind}")
        if self._planes and self._tiled and colours not in {_MIN_IS_BLACK, _RGB}:
            _refuse(self._limits, "its channels are stored one after another, in tiles, and are not RGB")

    def _pieces(self) -> tuple[list[int], list[int]]:
        """Places and lengths of all strips or tiles, each of which lies in the file."""
        directory, size = self._directory, self._directory.tiff.size
        across, down, rows, row_bytes = self._layout()
        planes = self._samples if self._planes else 1
        expected = across * down * planes
        where, how_long = _TILES if self._tiled and _TILES[0] in directory else _STRIPS
        # Each takes a byte at least in the table and in the file.
        if expected > size:
            raise BrokenTiffError("it ends early")
        places, lengths = directory.numbers(where)[:expected], directory.numbers(how_long)[:expected]
        if self._codec == _UNCOMPRESSED:
            last = row_bytes * (rows if self._tiled else self._height - (down - 1) * rows)
            needed = np.full(down, rows * row_bytes, np.uint64)
            needed[-1] = last
            needed = np.tile(np.repeat(needed, across), planes)
            # Some writers leave the lengths out, or round them up.
            lengths = needed if len(lengths) < expected else np.where(lengths == 0, needed, lengths)
            if (lengths < needed).any():
                raise BrokenTiffError("some of its strips are too short")
            lengths = needed
        elif expected == 1 == len(places) and not len(lengths):
            lengths = size - np.minimum(places, size)
        if len(places) < expected or len(lengths) < expected:
            raise BrokenTiffError(f"it has {min(len(places), len(lengths))} of {expected} strips or tiles")
        if not lengths.all() or not places.all():
            raise BrokenTiffError("some of its strips or tiles are empty")
        if (places > size).any() or (lengths > size - np.minimum(places, size)).any():
            raise BrokenTiffError("it ends early")
        return places.tolist(), lengths.tolist()

    def _layout(self) -> tuple[int, int, int, int]:
        """Pieces across and down, rows of one, and bytes of a row of one (of one plane)."""
        directory = self._directory
        width, rows = self._width, directory.number(_ROWS, self._height)
        if self._tiled:
            width, rows = directory.number(_TILE_WIDTH, 0), directory.number(_TILE_HEIGHT, 0)
        if not width or not rows:
            raise BrokenTiffError("it has strips or tiles without pixels")
        rows = rows if self._tiled else min(rows, self._height)
        assert self._bits is not None
        row_bytes = -(-width * self._bits * (1 if self._planes else self._samples) // 8)
        across, down = -(-self._width // width), -(-self._height // rows)
        piece = rows * row_bytes * (self._samples if self._planes else 1)
        if self._tiled:
            if piece > _MOST_TILE:
                _refuse(self._limits, f"its tiles are of {piece // 1_000_000} MB")
            # libvips keeps two rows of them.
            self._limits.check_pieces(self._width, self._height, 2 * across * piece)
        elif self._planes or self._codec in _LOSSY:
            self._limits.check_pieces(self._width, self._height, piece)
        return across, down, rows, row_bytes


def _common(directory: Directory, tag: int) -> int | None:
    """The value that all channels have; None where they differ."""
    values = set(directory.numbers(tag).tolist()) or {1}
    return int(values.pop()) if len(values) == 1 else None
