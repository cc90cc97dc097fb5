"""What the modules of the containers exchange."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

WORDS = {
    "exif": "EXIF data",
    "xmp": "XMP data",
    "icc": "colour profile",
    "cicp": "code of its colours",
    "photoshop": "IPTC data",
    "resolution": "resolution",
}
"""The fields of `Metadata` that can be converted, in words."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Pixels per unit across and down; the units are numbered as in TIFF and EXIF."""

    x: Fraction
    y: Fraction
    unit: int = 2

    NONE, INCH, CENTIMETRE = 1, 2, 3

    @property
    def per_metre(self) -> tuple[Fraction, Fraction]:
        """Pixels per metre; of no meaning where there is no unit."""
        scale = Fraction(100) if self.unit == self.CENTIMETRE else Fraction(10000, 254)
        return self.x * scale, self.y * scale


@dataclass(frozen=True, slots=True)
class Blocks:
    """What is added to an encoded file.

    Attributes:
        head: Goes before the pixels.
        tail: Goes after the pixels.
        trailer: Where in the photo's file what follows the picture begins; 0: nothing follows it.
    """

    head: bytes = b""
    tail: bytes = b""
    trailer: int = 0


@dataclass(frozen=True, slots=True)
class ExifEntry:
    """A TIFF tag's value: its type, the number of values, and their bytes."""

    kind: int
    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ExifDirectory:
    """A TIFF directory: values and directories below it, by tag; `order` is < or >."""

    order: str
    entries: dict[int, ExifEntry]
    below: dict[int, ExifDirectory]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of one photo.

    Attributes:
        exif: A TIFF structure, as in PNG; without the prefix that JPEG has.
        xmp: An XMP packet.
        icc: A colour profile.
        photoshop: Image resource blocks of Photoshop, IPTC data among them.
        resolution: Of the print.
        cicp: Colour primaries and transfer function, numbered as in ITU-T H.273.
        blocks: The container's own, for a result of the same format (PNG, JPEG, WebP).
        directory: The container's own, for a result of the same format (TIFF).
        only_here: What only this container holds, in words.
        dropped: What cannot be kept even in this container, in words.
        kept: What is in the file beside the photo and stays as it is, in words.
        lossless: Whether the pixels are stored without loss in a format that has both.
        extra: Whether a fourth channel is of no stated meaning.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    photoshop: bytes = b""
    resolution: Resolution | None = None
    cicp: tuple[int, int] | None = None
    blocks: Blocks = Blocks()
    directory: ExifDirectory | None = None
    only_here: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    lossless: bool = False
    extra: bool = False
