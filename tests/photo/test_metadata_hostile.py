"""Metadata that are damaged, or made to take long: read in time or left out, with the pixels unharmed."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from denoise_cli.photo.files.metadata import xmp
from denoise_cli.photo.files.metadata.carry import convert, read_metadata
from denoise_cli.photo.files.metadata.table import CONTAINERS

Rewrite = Callable[..., tuple[str, ...]]
WRITTEN = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF", "webp": "WEBP", "avif": "AVIF"}


@cache
def photo(name: str) -> bytes:
    """A small photo with EXIF and XMP data and a profile."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0said"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    more = {} if name in {"png", "tiff"} else {"xmp": b"<x:xmpmeta hdrgm:Version='1'/>"}
    pixels = np.zeros((8, 9, 3), np.uint8)
    Image.fromarray(pixels).save(file, WRITTEN[name], exif=exif, icc_profile=profile, **more)
    return file.getvalue()


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_damage_is_survived(name: str, data: st.DataObject) -> None:
    content = bytearray(photo(name))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=4))
        content[place : place + len(piece)] = piece
    found = read_metadata(bytes(content), name)
    for other in CONTAINERS:
        if found.cicp is None:
            convert(found, name, other, "a photo", grey=False)


def test_damaged_metadata_leave_the_pixels(rewrite: Rewrite, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for name, block in (("a", b"no TIFF structure"), ("b", b"II*\0\xff\xff\xff\x7f"), ("c", b"")):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", exif=b"Exif\0\0" + block)
        for suffix in ("png", "tif"):
            rewrite(tmp_path / f"{name}.png", tmp_path / f"{name}.out.{suffix}")
            with Image.open(tmp_path / f"{name}.out.{suffix}") as image:
                assert (np.asarray(image) == pixels).all()
        for suffix in ("jpg", "webp", "avif"):
            rewrite(tmp_path / f"{name}.png", tmp_path / f"{name}.out.{suffix}")
            with Image.open(tmp_path / f"{name}.out.{suffix}") as image:
                assert image.size == (30, 20)


def test_what_is_made_to_take_long_is_read_in_time() -> None:
    segment = b"\xff\xe3\0\2"
    tags = b"".join(struct.pack("<HHII", tag, 1, 100_000, 8) for tag in range(400, 5_400))
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(40_000_000), 9)
    chunk = struct.pack(">I", len(text)) + b"iTXt" + text + struct.pack(">I", zlib.crc32(b"iTXt" + text))
    header = struct.pack(">I4sIIBBBBB", 13, b"IHDR", 1, 1, 8, 2, 0, 0, 0)
    for name, data in (
        ("jpeg", b"\xff\xd8" + 6_000 * segment + b"\xff\xda\0\2\xff\xd9"),
        ("jpeg", b"\xff\xd8\xff\xda\0\2" + 6_000 * b"\xff\xc4\0\2" + b"\xff\xd9"),
        ("tiff", struct.pack("<2sHIH", b"II", 42, 8, 5_000) + tags + bytes(4)),
        ("webp", b"RIFF" + struct.pack("<I", 40_004) + b"WEBP" + 5_000 * b"none\0\0\0\0"),
        ("png", b"\x89PNG\r\n\x1a\n" + header + bytes(4) + 9 * chunk),
    ):
        start = time.process_time()
        convert(read_metadata(data, name), name, "png", "a photo", grey=False)
        assert time.process_time() - start < 3, name
    for packet in (b" " * 50_000, b"<Container:Directory>" * 2_000, b" hdrgm:a='\"" * 3_000):
        start = time.process_time()
        xmp.unannounced(packet)
        assert time.process_time() - start < 2
