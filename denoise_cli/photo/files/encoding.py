"""Choose how a result is encoded, and say what that loses."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pyvips

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.photo.files.formats import FORMATS, Format
from denoise_cli.photo.files.metadata.carry import convert, listed
from denoise_cli.photo.files.metadata.exif import has_maker_note
from denoise_cli.photo.files.metadata.types import Metadata
from denoise_cli.photo.files.read import Photo

DEFAULT_QUALITY = 95
CODECS = {"avif": "av1", "heic": "hevc"}
# What the encoders take, which is a little less than what some of the formats do.
_MOST_PIXELS = {"webp": 16383, "jpeg": 65500, "avif": 16384, "heic": 16384}


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a result.

    Attributes:
        format: File format.
        bits: Bits per colour value; 32 is float.
        quality: 1 to 100 for the lossy formats.
        lossless: In formats that have both.
        alpha: Whether the channel after the colours is written.
        flat: Whether transparency is replaced by white.
        metadata: What the file carries.
        lost: What it does not, in words.
    """

    format: Format
    bits: int
    quality: int
    lossless: bool
    alpha: bool
    flat: bool
    metadata: Metadata = field(repr=False)
    lost: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows that are written: values of 10 and 12 bits fill 16."""
        return np.dtype(np.uint8 if self.bits == 8 else np.float32 if self.bits == 32 else np.uint16)


def choose_encoding(photo: Photo, kind: Format, bits: int | None, quality: int | None) -> Encoding:
    """The depth asked for, else the photo's or the nearest that the format holds; lossless as the photo.

    Raises:
        UsageError: The format cannot hold that many bits, or libvips cannot write it.
        ImageError: The format cannot hold so many pixels, or not these colours.
    """
    if not can_write(kind):
        raise UsageError(
            f"The installed libvips cannot write {kind.name.upper()} files.", "Choose another --format."
        )
    if bits is None:
        found = _bits(photo), photo.dtype.itemsize * 8
        bits = next((wanted for wanted in found if wanted in kind.depths), kind.depths[-1])
    if bits not in kind.depths:
        *fewer, last = sorted(kind.depths)
        depths = f"{', '.join(map(str, fewer))} or {last}" if fewer else str(last)
        others = [each.name for each in FORMATS.values() if bits in each.depths and can_write(each)]
        raise UsageError(
            f"{kind.name.upper()} files hold {depths} bits a colour, not {bits}.",
            f"Leave --bits out, or choose another --format: {' or '.join(others)}.",
        )
    most = _MOST_PIXELS.get(kind.name, max(photo.width, photo.height))
    if max(photo.width, photo.height) > most:
        raise ImageError(
            f"{photo.name} has {photo.width} x {photo.height} pixels, but {kind.name.upper()} files hold at "
            f"most {most} a side.",
            "Choose --format png or --format tiff.",
        )
    old = photo.metadata
    metadata, lost = convert(old, photo.format.name, kind.name, photo.name, grey=photo.channels == 1)
    lossless = quality == 100 if quality is not None else old.lossless and photo.format == kind
    return Encoding(
        format=kind,
        bits=bits,
        quality=quality or DEFAULT_QUALITY,
        lossless=lossless and kind.lossy and kind.name != "jpeg",
        alpha=photo.alpha and kind.alpha and (kind.name == "tiff" or not old.extra),
        flat=photo.alpha and not kind.alpha and not old.extra,
        metadata=metadata,
        lost=lost,
    )


def losses(photo: Photo, encoding: Encoding) -> tuple[str, ...]:
    """Notes for the user on what the file does not hold of the photo, or holds as it was."""
    name = encoding.format.name.upper()
    lost = []
    if encoding.flat:
        lost.append(f"{name} files hold no transparency, so the picture was set on white")
    elif photo.alpha and not encoding.alpha:
        lost.append(f"{name} files hold no channel of unknown meaning, so the fourth channel was dropped")
    if encoding.bits < _bits(photo):
        lost.append(f"it was stored with {encoding.bits} bits a colour")
    if encoding.lost:
        lost.append(f"dropped, as the {name} file cannot hold it: {listed(encoding.lost)}")
    if "tiff" in {photo.format.name, encoding.format.name} and has_maker_note(encoding.metadata.exif):
        lost.append("its maker notes lie at another place now, where some programs cannot read them")
    if photo.format == encoding.format:
        lost += [f"{word} was kept as it was, not denoised" for word in encoding.metadata.kept]
    return tuple(lost)


def _bits(photo: Photo) -> int:
    """Bits per colour value of the photo's file, or what holds them; 32 is float."""
    if photo.format.name in CODECS and photo.header.get_typeof("bits-per-sample"):
        return int(photo.header.get("bits-per-sample"))
    return photo.dtype.itemsize * 8


def can_write(kind: Format) -> bool:
    """Whether this libvips was built with an encoder for the format."""
    return kind.name not in CODECS or _encodes(CODECS[kind.name])


@cache
def _encodes(codec: str) -> bool:
    try:
        pyvips.Image.black(16, 16, bands=3).heifsave_buffer(compression=codec)
    except pyvips.Error:
        return False
    return True
