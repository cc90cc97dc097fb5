"""The containers: how the metadata of each is read, and what each can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from denoise_cli.photo.files.metadata import bmp, heif, jpeg, png, tiff, webp
from denoise_cli.photo.files.metadata.types import Metadata


@dataclass(frozen=True, slots=True)
class Container:
    """One format's metadata.

    Attributes:
        read: Reads them from a file.
        holds: Fields of `Metadata` that have a place in it.
        build: Makes the blocks for metadata of another format; None: libvips writes them. Where there
            are such blocks, they are kept byte for byte when the format stays.
        grey: Whether grey pictures have one channel in it.
    """

    read: Callable[[BinaryIO], Metadata]
    holds: frozenset[str]
    build: Callable[[Metadata], Metadata] | None
    grey: bool = True


_COMMON = frozenset({"exif", "xmp", "icc"})
CONTAINERS = {
    "png": Container(png.read, _COMMON | {"cicp", "resolution"}, png.build),
    "jpeg": Container(jpeg.read, _COMMON | {"photoshop", "resolution"}, jpeg.build),
    "tiff": Container(tiff.read, _COMMON | {"photoshop", "resolution"}, tiff.build),
    "webp": Container(webp.read, _COMMON, webp.build, grey=False),
    "avif": Container(heif.read, _COMMON | {"cicp"}, None, grey=False),
    "heic": Container(heif.read, _COMMON | {"cicp"}, None, grey=False),
    "bmp": Container(bmp.read, frozenset({"resolution"}), None),
}
"""By the format's name."""
