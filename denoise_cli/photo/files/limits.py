"""Limits on what a file may say of its size, checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from denoise_cli.errors import ImageError

MEGA = 1_000_000
_MAX_MEGAPIXELS = 1000
_MAX_SIDE = 200_000
# Memory for a file that can only be decoded whole: so much, or so many bytes for each of the file.
# Twice as much, for the result, and the rest of the program stay below 1.2 GB for a file of 1 MB.
_HELD_BYTES = 500 * MEGA
_HELD_PER_BYTE = 400
# Rows that libvips and the windows of a network hold at a time.
_ROWS = 1000
# A photo takes more than one byte for this many pixels; only drawings of one colour take less.
_PIXELS_PER_BYTE = 100
_SMALL_MEGAPIXELS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one file.

    Attributes:
        name: The file, for messages.
        stored: Bytes of the file.
        max_pixels: Megapixels that the user allows; None for the limits of this module.
    """

    name: str
    stored: int
    max_pixels: int | None = None

    @property
    def _memory(self) -> int:
        return max(_HELD_BYTES, _HELD_PER_BYTE * self.stored)

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture that is too large to be read, or for so small a file.

        Raises:
            ImageError: It is, or has no pixels.
        """
        if width < 1 or height < 1:
            raise ImageError(f"{self.name} says it has {width} x {height} pixels.")
        most = self.max_pixels or _MAX_MEGAPIXELS
        if max(width, height) > _MAX_SIDE or width * height > most * MEGA:
            raise ImageError(
                f"{self.name} says it has {width} x {height} pixels, which is too large.",
                f"At most {most} megapixels and {_MAX_SIDE} pixels a side are read. "
                + (_allow(width * height) if max(width, height) <= _MAX_SIDE else ""),
            )
        large = max(_SMALL_MEGAPIXELS * MEGA, self.stored * _PIXELS_PER_BYTE)
        if self.max_pixels is None and width * height > large:
            raise ImageError(
                f"{self.name} says it has {width} x {height} pixels in {self.stored} bytes, which is too "
                "large for a photo of so few bytes.",
                _allow(width * height),
            )

    def check_held(self, kind: str, width: int, height: int, pixel_bytes: int) -> None:
        """Refuse a picture that can only be decoded whole and takes too much memory.

        Args:
            kind: What the file is, with its article.
            pixel_bytes: Memory for one pixel while decoding.

        Raises:
            ImageError: It takes too much.
        """
        self.check_size(width, height)
        if self.max_pixels is None and width * height * pixel_bytes > self._memory:
            raise ImageError(
                f"{self.name} is {kind} of {width} x {height} pixels, which can only be decoded whole, in "
                f"{width * height * pixel_bytes / 1e9:.1f} GB of memory.",
                f"Of such a file, {self._memory // pixel_bytes // MEGA} megapixels are read. "
                + _allow(width * height),
            )

    def check_rows(self, width: int, height: int, pixel_bytes: int) -> None:
        """Refuse a picture whose rows are too long; see `check_size` for the whole of it.

        Raises:
            ImageError: They are, or the picture is too large.
        """
        self.check_size(width, height)
        if self.max_pixels is None and width * pixel_bytes * min(height, _ROWS) > self._memory:
            raise ImageError(
                f"{self.name} says it is {width} pixels wide in {self.stored} bytes, which is too much for a "
                "photo of so few bytes.",
                _allow(width * height),
            )

    def check_pieces(self, width: int, height: int, count: int) -> None:
        """Refuse strips or tiles that take too much memory at once.

        Args:
            width, height: Of the picture.
            count: Bytes of the pieces that are decoded together.

        Raises:
            ImageError: They take too much.
        """
        if self.max_pixels is None and count > self._memory:
            raise ImageError(
                f"{self.name} can only be decoded in pieces of {count / 1e9:.1f} GB, which is too much.",
                "Save it with smaller strips or tiles. " + _allow(width * height),
            )


def _allow(pixels: int) -> str:
    return f"If it is sound, allow it with --max-pixels {-(-pixels // MEGA)}."
