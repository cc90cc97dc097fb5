"""Check what HEIC and AVIF files say of themselves before libheif decodes anything of them.

Both hold items in a `meta` box: pictures, their tiles, previews and masks, and references between them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits

_MOST_META = 16_000_000
_MOST_BOXES = 10_000
_PICTURES = {
    b"av01",
    b"hvc1",
    b"avc1",
    b"jpeg",
    b"j2k1",
    b"unci",
    b"vvc1",
    b"grid",
    b"iden",
    b"iovl",
    b"tili",
}
# References of a preview and of a mask to their picture.
_BESIDE = {b"thmb", b"auxl"}
# The decoded frame, libheif's copy with all channels, and libvips' of it.
_PIXEL_BYTES, _DEEP_PIXEL_BYTES = 18, 26


def check_heif(file: BinaryIO, limits: Limits) -> None:
    """Raises `ImageError` for an animation, several pictures, or one that takes too much."""
    meta = _find_meta(file, limits)
    properties = [
        (kind, data)
        for outer, inside in _boxes(meta)
        if outer == b"iprp"
        for container, listed in _boxes(inside)
        if container == b"ipco"
        for kind, data in _boxes(listed)
    ]
    ispe = [data for kind, data in properties if kind == b"ispe" and len(data) >= 12]
    sizes = [struct.unpack(">II", data[4:12]) for data in ispe]
    if not sizes:
        raise ImageError(f"{limits.name} is a damaged HEIC or AVIF file (it has no picture).")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    deep = any(
        (kind == b"pixi" and max(data[5:], default=8) > 8)
        or (kind == b"av1C" and len(data) > 2 and data[2] & 0x40 > 0)
        or (kind == b"hvcC" and len(data) > 17 and data[17] & 7 > 0)
        for kind, data in properties
    )
    check_decoded(limits, width, height, deep=deep)
    pictures = _pictures(meta)
    if pictures > 1:
        raise ImageError(
            f"{limits.name} holds {pictures} pictures; only single ones can be denoised.",
            "Split it into single pictures first.",
        )


def check_decoded(limits: Limits, width: int, height: int, *, deep: bool) -> None:
    """Raises `ImageError` where the decoded picture takes too much; `deep`: more than 8 bits a colour."""
    limits.check_held("a HEIC or AVIF file", width, height, _DEEP_PIXEL_BYTES if deep else _PIXEL_BYTES)


def _find_meta(file: BinaryIO, limits: Limits) -> bytes:
    """The content of the `meta` box, behind its version and flags."""
    meta, place = b"", 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        kind, start, size = _box(file.read(16), limits.stored - place)
        if size <= 0:
            break
        if kind == b"moov":
            raise ImageError(f"{limits.name} is an animation; only single pictures can be denoised.")
        if kind == b"meta":
            if size > _MOST_META:
                raise ImageError(f"{limits.name} has {size} bytes of metadata, which is too much.")
            file.seek(place + start)
            # Version and flags come first.
            meta = file.read(size - start)[4:]
        place += size
    return meta


def _pictures(meta: bytes) -> int:
    """The items that are pictures of their own: no tile, preview or mask of another."""
    shown: set[int | None] = set()
    parts: set[int] = set()
    for kind, data in _boxes(meta):
        if kind == b"iinf":
            shown.update(_shown(item) for _, item in _boxes(data[6:] if data[:1] == b"\0" else data[8:]))
        elif kind == b"iref":
            code, width = ("H", 2) if data[:1] == b"\0" else ("I", 4)
            for reference, body in _boxes(data[4:]):
                # Of one item, to a number of others.
                origin = struct.unpack_from(">" + code, body.ljust(width, b"\0"))
                count = (len(body) - width - 2) // width
                others = struct.unpack_from(f">{count}{code}", body, width + 2) if count > 0 else ()
                parts.update(others if reference == b"dimg" else origin if reference in _BESIDE else ())
    return len(shown - parts - {None})


def _shown(item: bytes) -> int | None:
    """The number of an item that is a picture to be shown, or None."""
    form = ">HI2x4s" if item[:1] == b"\3" else ">HH2x4s"
    if item[:1] not in {b"\2", b"\3"} or len(item) < 2 + struct.calcsize(form):
        return None
    flags, number, kind = struct.unpack_from(form, item, 2)
    return int(number) if kind in _PICTURES and not flags & 1 else None


def _box(head: bytes, left: int) -> tuple[bytes, int, int]:
    """Kind of a box, bytes of its head, and of all of it; 0 where there is none."""
    if len(head) < 8 or left < 8:
        return b"", 0, 0
    size, kind = struct.unpack(">I4s", head[:8])
    if size == 1 and len(head) >= 16:
        return kind, 16, min(struct.unpack(">Q", head[8:16])[0], left)
    return kind, 8, left if size == 0 else min(size, left)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that follow each other."""
    place = 0
    for _ in range(_MOST_BOXES):
        kind, start, size = _box(data[place : place + 16], len(data) - place)
        if size < max(start, 8):
            return
        yield kind, data[place + start : place + size]
        place += size
