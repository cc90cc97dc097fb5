"""Check what PNG, JPEG and WebP files say of themselves before a library decodes anything of them.

What is broken in other ways than those that cost memory or time is left to the library.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits

# Of compressed texts and profiles of a PNG file, all of which libvips expands at once.
_TEXT_BYTES = 64_000_000
_MOST_CHUNKS = 10_000
_COLOUR_SAMPLES = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}
# JPEG: markers without a segment; frames that libjpeg decodes; progressive ones of these; the rest.
_ALONE = {0x01, *range(0xD0, 0xDA)}
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}
_PROGRESSIVE = {0xC2, 0xCA}
_OTHER_FRAMES = {0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_FIRST_SCAN = 0xDA
# Each scan of a progressive file goes over all of its pixels: how many pixels in all, and for a byte.
_SCANNED, _SCANNED_PER_BYTE = 1_000_000_000, 1000


def check_png(file: BinaryIO, limits: Limits) -> None:
    """Raises `ImageError` for an animation, or one that takes too much."""
    file.seek(12)
    first = file.read(4)
    if first != b"IHDR":
        why = "which is not supported (Apple's CgBI)" if first == b"CgBI" else "which is damaged"
        raise ImageError(f"{limits.name} is a PNG file, {why}.", "Save it as a plain PNG file first.")
    file.seek(8)
    width, height, bits, colour, _, _, interlaced = _unpack(file, ">8xIIBBBBB4x", limits, "PNG")
    pixel_bytes = _COLOUR_SAMPLES.get(colour, 4) * max(1, bits // 8)
    limits.check_rows(width, height, pixel_bytes)
    if interlaced:
        # The rows as they are stored, and those that libvips makes of them.
        limits.check_held("an interlaced PNG file", width, height, 2 * pixel_bytes)
    expanded = chunks = 0
    while len(head := file.read(8)) == 8 and chunks < _MOST_CHUNKS:
        length, kind = struct.unpack(">I4s", head)
        chunks += kind != b"IDAT"
        after = file.tell() + length + 4
        if kind == b"acTL":
            raise ImageError(f"{limits.name} is an animation; only single pictures can be denoised.")
        if kind in {b"zTXt", b"iTXt", b"iCCP"}:
            expanded += _expanded(file.read(min(length, limits.stored)), kind, _TEXT_BYTES - expanded)
        if expanded > _TEXT_BYTES or chunks == _MOST_CHUNKS:
            raise ImageError(
                f"{limits.name} is a PNG file whose metadata is too large to be read.",
                f"At most {_TEXT_BYTES // 1_000_000} MB of texts and {_MOST_CHUNKS} chunks are read; save it "
                "without its metadata first.",
            )
        file.seek(after)


def _expanded(data: bytes, kind: bytes, most: int) -> int:
    """Bytes that the compressed part of a chunk expands to; counted up to a little over `most`."""
    _, _, rest = data.partition(b"\0")
    if kind == b"iTXt":
        compressed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        if not compressed:
            return 0
    else:
        rest = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(rest, most + 1))
    except zlib.error:
        return 0


def check_jpeg(file: BinaryIO, limits: Limits) -> None:
    """Raises `ImageError` for a kind that is not supported, or one that takes too much."""
    file.seek(2)
    width = height = channels = frame = 0
    while True:
        marker = _next_marker(file, limits)
        if marker in _ALONE:
            continue
        if marker in _OTHER_FRAMES:
            kind = "JPEG-LS" if marker == 0xF7 else f"SOF{marker - 0xC0}"
            raise ImageError(f"{limits.name} is a JPEG file of a kind that is not supported ({kind}).")
        (length,) = _unpack(file, ">H", limits, "JPEG")
        start = file.tell()
        if marker in _FRAMES:
            bits, height, width, channels = _unpack(file, ">BHHB", limits, "JPEG")
            frame = marker
            if bits != 8:
                raise ImageError(
                    f"{limits.name} is a JPEG file of {bits} bits a colour, which is not supported.",
                    "Convert it to a 16-bit TIFF or PNG first.",
                )
            limits.check_size(width, height)
        if marker == _FIRST_SCAN:
            (parts,) = _unpack(file, "B", limits, "JPEG")
            break
        file.seek(start + max(length - 2, 0))
    if not frame:
        raise ImageError(f"{limits.name} is a damaged JPEG file (it has no picture).")
    # The coefficients, of 16 bits, and what libjpeg makes of them.
    if frame in _PROGRESSIVE:
        limits.check_held("a progressive JPEG file", width, height, 2 * channels)
        _check_scans(file, width * height, limits)
    elif parts < channels:
        limits.check_held("a JPEG file of several scans", width, height, 2 * channels)


def _next_marker(file: BinaryIO, limits: Limits) -> int:
    """The next marker; what is between is skipped, as libjpeg does."""
    while block := file.read(4096):
        place = block.find(b"\xff")
        if place < 0:
            continue
        file.seek(place + 1 - len(block), 1)
        byte = b"\xff"
        while byte == b"\xff":
            byte = file.read(1)
        if byte not in {b"", b"\0"}:
            return byte[0]
    raise ImageError(f"{limits.name} is a JPEG file that ends early.")


def _check_scans(file: BinaryIO, pixels: int, limits: Limits) -> None:
    file.seek(0)
    scans, end = 0, b""
    while data := file.read(1 << 20):
        scans += (end + data).count(b"\xff\xda")
        end = data[-1:]
    most = max(_SCANNED, _SCANNED_PER_BYTE * limits.stored)
    if scans * pixels > most and limits.max_pixels is None:
        raise ImageError(
            f"{limits.name} is a progressive JPEG file of {scans} scans, which are too many for its size."
        )


def check_webp(file: BinaryIO, limits: Limits) -> None:
    """Raises `ImageError` for one that takes too much."""
    file.seek(12)
    head, data = file.read(8), file.read(10)
    kind = head[:4]
    width = height = 0
    if kind == b"VP8X" and len(data) == 10:
        width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (4, 7))
    elif kind == b"VP8L" and len(data) == 10:
        bits = int.from_bytes(data[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and len(data) == 10:
        width, height = (value & 0x3FFF for value in struct.unpack("<HH", data[6:10]))
    else:
        raise ImageError(f"{limits.name} is a damaged WEBP file (it has no picture).")
    limits.check_held("a WebP file", width, height, 8)


def _unpack(file: BinaryIO, form: str, limits: Limits, kind: str) -> tuple[int, ...]:
    data = file.read(struct.calcsize(form))
    if len(data) < struct.calcsize(form):
        raise ImageError(f"{limits.name} is a {kind} file that ends early.")
    return struct.unpack(form, data)
