"""Check what HEIC and AVIF files say of themselves before libheif decodes anything of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits

_MOST_META = 16_000_000
_MOST_BOXES = 10_000
# The decoded frame, libheif's copy with all channels, and libvips' of it.
_PIXEL_BYTES, _DEEP_PIXEL_BYTES = 10, 20


def check_heif(file: BinaryIO, limits: Limits) -> None:
    """Raises `ImageError` for an animation, or one that takes too much."""
    meta = b""
    place = 0
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
    properties = [
        (kind, data)
        for outer, inside in _boxes(meta)
        if outer == b"iprp"
        for container, listed in _boxes(inside)
        if container == b"ipco"
        for kind, data in _boxes(listed)
    ]
    sizes = [
        struct.unpack(">II", data[4:12]) for kind, data in properties if kind == b"ispe" and len(data) >= 12
    ]
    if not sizes:
        raise ImageError(f"{limits.name} is a damaged HEIC or AVIF file (it has no picture).")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    deep = any(max(data[5:], default=8) > 8 for kind, data in properties if kind == b"pixi")
    limits.check_held("a HEIC or AVIF file", width, height, _DEEP_PIXEL_BYTES if deep else _PIXEL_BYTES)


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
