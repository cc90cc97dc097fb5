"""PNG chunks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from denoise_cli.photo.files.metadata.icc import build_profile
from denoise_cli.photo.files.metadata.types import WORDS, Blocks, Metadata, Resolution

_MAGIC = b"\x89PNG\r\n\x1a\n"
END = 12
"""Bytes of the last chunk, before which others can go."""
# Describe the palette or an animation, or tell Apple's decoder where rows begin in the old data.
_OF_THE_PIXELS = {b"tRNS", b"hIST", b"acTL", b"fcTL", b"fdAT", b"iDOT"}
# Values that have the form of the colour type and depth.
_OF_THE_TYPE = {b"sBIT", b"bKGD"}
# Not safe to copy when pixels change, but for those who do not know them only.
_KNOWN = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"tIME", b"sPLT", b"oFFs", b"pCAL"}
_COLOUR = {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_WORDS = {
    b"caBX": "content credentials, which hold for the unchanged file only",
    b"dSIG": "digital signature, which holds for the unchanged file only",
    b"tIME": "time of the last change",
    b"mDCV": "mastering display values",
    b"cLLI": "light levels",
}
_XMP = b"XML:com.adobe.xmp"
_SRGB = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
# More than any profile or packet; a deflated chunk may say that it is of any size.
_MOST = 1 << 25
# Codes of ITU-T H.273 have eight bits; AVIF has room for sixteen.
_MOST_CODE = 255


def read(file: BinaryIO) -> Metadata:
    """The metadata of a PNG file; `struct.error` or `zlib.error` where it is damaged."""
    chunks = list(_chunks(file))
    _, header, _, _ = chunks[0]
    depth, kind = header[8], header[9]
    transparent = any(name == b"tRNS" for name, *_ in chunks)
    # As the result will be: palettes become full colour, small depths 8 bits, tRNS an alpha channel.
    same = depth in {8, 16} and kind != 3 and not transparent
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    dropped, only_here = [], []
    first: dict[bytes, bytes] = {}
    packets = []
    for name, body, raw, after in chunks[1:]:
        if name in _OF_THE_PIXELS or (name in _OF_THE_TYPE and not same) or not name[0] & 32:
            continue
        word = _WORDS.get(name, f"{name.decode('latin-1')} block")
        if raw[-4:] != struct.pack(">I", zlib.crc32(raw[4:-4])):
            dropped.append(f"damaged {word}")
            continue
        if not name[3] & 32 and name not in _KNOWN | _OF_THE_TYPE:
            dropped.append(word)
            continue
        parts[after].append(raw)
        first.setdefault(name, body)
        if name in _TEXTS:
            key = body.split(b"\0", 1)[0]
            if key == _XMP:
                packets.append(body)
            else:
                only_here.append(f"text {key.decode('latin-1')}")
        elif name not in _COLOUR | _OF_THE_TYPE | {b"eXIf", b"pHYs"}:
            only_here.append(word)
    icc, cicp = _colour(first, kind)
    return Metadata(
        exif=first.get(b"eXIf", b""),
        xmp=_text(packets[0]) if packets else b"",
        icc=icc,
        cicp=cicp,
        resolution=_resolution(first.get(b"pHYs", b"")),
        blocks=Blocks(b"".join(parts[0]), b"".join(parts[1])),
        only_here=tuple(dict.fromkeys(only_here)),
        dropped=tuple(dict.fromkeys(dropped)),
    )


def build(metadata: Metadata) -> Metadata:
    """The metadata of another format's file, with the chunks that hold them."""
    chunks = []
    if metadata.cicp is not None and max(metadata.cicp) > _MOST_CODE:
        metadata = replace(metadata, cicp=None, dropped=(*metadata.dropped, WORDS["cicp"]))
    if metadata.cicp is not None:
        chunks.append(chunk(b"cICP", bytes([*metadata.cicp, 0, 1])))
    if metadata.icc:
        chunks.append(chunk(b"iCCP", b"icc\0\0" + zlib.compress(metadata.icc)))
    if metadata.resolution is not None:
        metric = metadata.resolution.unit != Resolution.NONE
        values = metadata.resolution.per_metre if metric else (metadata.resolution.x, metadata.resolution.y)
        sides = [min(max(round(value), 0), 2**31 - 1) for value in values]
        chunks.append(chunk(b"pHYs", struct.pack(">IIB", *sides, metric)))
    if metadata.exif:
        chunks.append(chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp))
    return replace(metadata, blocks=Blocks(b"".join(chunks)))


def head(start: bytes, blocks: Blocks) -> tuple[int, bytes] | None:
    """Replace the encoder's chunks before the pixels, but for the header, by the blocks' head."""
    place = header = len(_MAGIC) + 25
    while len(start) >= place + 8:
        length, name = struct.unpack(">I4s", start[place : place + 8])
        if name == b"IDAT":
            return place, start[:header] + blocks.head
        place += 12 + length
    return None


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes, bool]]:
    """Name, body, all bytes, and whether pixels came before; of the chunks that are no pixels."""
    place, after = len(_MAGIC), False
    while True:
        file.seek(place)
        start = file.read(8)
        if len(start) < 8:
            return
        length, name = struct.unpack(">I4s", start)
        place += 12 + length
        if name == b"IEND":
            return
        if name == b"IDAT":
            after = True
            continue
        rest = file.read(length + 4)
        if len(rest) < length + 4:
            return
        yield name, rest[:-4], start + rest, after


def _colour(chunks: dict[bytes, bytes], kind: int) -> tuple[bytes, tuple[int, int] | None]:
    """The profile and code of the colours; a profile is built where there are only their numbers."""
    code = chunks.get(b"cICP", b"")
    cicp = (code[0], code[1]) if len(code) == 4 else None
    if b"iCCP" in chunks:
        _, _, packed = chunks[b"iCCP"].partition(b"\0")
        return _inflate(packed[1:]), cicp
    if cicp or b"sRGB" in chunks or b"gAMA" not in chunks:
        return b"", cicp
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
    points = struct.unpack(">8I", chunks[b"cHRM"]) if b"cHRM" in chunks else _SRGB[1]
    if not gamma or all(
        abs(a - b) <= 100 for a, b in zip((gamma, *points), (_SRGB[0], *_SRGB[1]), strict=True)
    ):
        return b"", cicp
    return build_profile([point / 100_000 for point in points], 100_000 / gamma, grey=not kind & 2), cicp


def _resolution(body: bytes) -> Resolution | None:
    if len(body) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", body)
    if unit == 1:
        return Resolution(Fraction(x, 100), Fraction(y, 100), Resolution.CENTIMETRE)
    return None if x == y else Resolution(Fraction(x), Fraction(y), Resolution.NONE)


def _text(body: bytes) -> bytes:
    """The text of an iTXt chunk; empty where it is damaged."""
    try:
        _, rest = body.split(b"\0", 1)
        _, _, text = rest[2:].split(b"\0", 2)
        return _inflate(text) if rest[0] else text
    except (ValueError, IndexError):
        return b""


def _inflate(data: bytes) -> bytes:
    try:
        engine = zlib.decompressobj()
        result = engine.decompress(data, _MOST)
        return result if engine.eof else b""
    except zlib.error:
        return b""
