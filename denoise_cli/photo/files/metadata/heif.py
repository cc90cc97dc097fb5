"""AVIF and HEIC items: what their boxes say of the picture, and what is added to an encoded one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from denoise_cli.photo.files.metadata import exif
from denoise_cli.photo.files.metadata.av1 import Av1, read_av1
from denoise_cli.photo.files.metadata.boxes import (
    Meta,
    find_meta,
    first_tile,
    item_data,
    kinds,
    parse,
    properties_of,
    references,
)
from denoise_cli.photo.files.metadata.types import Metadata

_EXIF, _XMP = b"Exif", b"application/rdf+xml"
_MOST = 1 << 26
# Names of auxiliary pictures that hold transparency, which is read.
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")


@dataclass(slots=True)
class Heif:
    """The boxes of a file that matter here.

    Attributes:
        nclx: Primaries, transfer function, matrix (ITU-T H.273) and whether the range is full.
        grey: Whether the picture is stored as brightness only.
        bits: Bits a colour, as the headers of the picture's data say.
        alpha: Whether the file holds transparency.
        hevc: Whether the picture's data are HEVC.
        av1: The headers of the picture's data (of the first tile's); None if it is not AV1.
        more: What lies beside the picture, in words.
    """

    nclx: tuple[int, int, int, int] | None = None
    grey: bool = False
    bits: int = 8
    alpha: bool = False
    hevc: bool = False
    av1: Av1 | None = None
    more: tuple[str, ...] = ()

    @property
    def cicp(self) -> tuple[int, int] | None:
        """Primaries and transfer function, or None where neither is said."""
        if self.nclx is not None:
            codes = self.nclx[:2]
        elif self.av1 is not None:
            codes = (self.av1.primaries, self.av1.transfer)
        else:
            return None
        return None if codes == (2, 2) else codes

    @property
    def narrow(self) -> bool:
        """Whether black is 16 and white 235 of 255 in the file."""
        return not (self.nclx[3] if self.nclx is not None else self.av1 is None or self.av1.full_range)


def look_at(file: BinaryIO) -> Heif:
    """What the boxes say; less where they are damaged."""
    result = Heif()
    try:
        data = find_meta(file)
        meta = parse(data)
        item = first_tile(meta, meta.primary)
        for kind, start, end in properties_of(meta, meta.primary) + properties_of(meta, item):
            body = data[start:end]
            if kind == b"colr" and body[:4] == b"nclx" and result.nclx is None:
                result.nclx = (*struct.unpack(">HHH", body[4:10]), body[10] >> 7)
            if kind == b"av1C":
                result.grey = bool(body[2] & 0x10)
            if kind == b"hvcC":
                result.grey, result.bits = not body[16] & 3, 8 + (body[17] & 7)
        result.hevc = kinds(meta).get(item) == b"hvc1"
        result.alpha = any(_auxiliary(meta, place) in _ALPHA for place in meta.properties)
        if kinds(meta).get(item) == b"av01":
            result.av1 = read_av1(item_data(file, meta, item, 4096))
        result.more = _beside(meta)
    except (struct.error, IndexError, KeyError, ValueError, OverflowError):
        return result
    return result


def read(file: BinaryIO) -> Metadata:
    """The metadata of an AVIF or HEIC file; `struct.error` or `LookupError` where it is damaged."""
    seen = look_at(file)
    meta = parse(find_meta(file))
    about = {item: to for name, item, to in references(meta) if name == b"cdsc"}
    found: dict[bytes, bytes] = {}
    for item, kind in kinds(meta).items():
        if kind in {_EXIF, _XMP} and kind not in found and meta.primary in about.get(item, [meta.primary]):
            found[kind] = item_data(file, meta, item, _MOST)
    block = found.get(_EXIF, b"")
    # The pixels were turned as the file says elsewhere.
    block = exif.upright(block[4 + int.from_bytes(block[:4]) :])
    icc = b""
    for name, start, end in properties_of(meta, meta.primary):
        if name == b"colr" and meta.data[start : start + 4] in {b"prof", b"rICC"}:
            icc = icc or meta.data[start + 4 : end]
    return Metadata(
        exif=block,
        xmp=found.get(_XMP, b""),
        icc=icc,
        cicp=seen.cicp,
        resolution=exif.resolution(exif.read_block(block)),
        only_here=seen.more,
        lossless=seen.av1 is not None and seen.av1.lossless,
    )


def _beside(meta: Meta) -> tuple[str, ...]:
    """What the file holds beside the picture and its transparency, in words."""
    words = []
    if b"tmap" in kinds(meta).values():
        words.append("gain map")
    for name in filter(None, (_auxiliary(meta, place) for place in meta.properties)):
        if name not in _ALPHA:
            words.append("gain map" if b"gainmap" in name.lower() else "depth or other auxiliary picture")
    return tuple(dict.fromkeys(words))


def _auxiliary(meta: Meta, place: tuple[bytes, int, int]) -> bytes:
    """The name of the auxiliary pictures that a property describes; empty where it is another property."""
    kind, start, end = place
    return meta.data[start + 4 : end].split(b"\0")[0] if kind == b"auxC" else b""
