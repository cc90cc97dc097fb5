"""Tiny files that ask for much: refused before anything is decoded, unless the user allows them."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.read import open_photo
from tests.conftest import Command


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int = 8, interlaced: int = 0, before: bytes = b"") -> bytes:
    """An RGB file; its pixels end early."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, interlaced))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + chunk(b"IEND", b"")


def saved(kind: str, size: int = 16, **options: Any) -> bytearray:
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), 99, np.uint8)).save(file, kind, **options)
    return bytearray(file.getvalue())


def jpeg(width: int, height: int, **options: Any) -> bytes:
    """A JPEG file that says it has this size."""
    data = saved("JPEG", **options)
    place = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    struct.pack_into(">HH", data, place + 5, height, width)
    return bytes(data)


def webp(side: int) -> bytes:
    body = b"VP8L" + struct.pack("<IB", 13, 0x2F) + struct.pack("<I", side - 1 | side - 1 << 14) + bytes(8)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def avif(side: int) -> bytes:
    data = saved("AVIF")
    struct.pack_into(">II", data, data.index(b"ispe") + 8, side, side)
    return bytes(data)


def bmp(width: int, height: int, bits: int, coding: int, pixels: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, coding, 0, 0, 0, 0, 0)
    palette = bytes(4 << bits) if bits <= 8 else b""
    return b"BM" + struct.pack("<III", 0, 0, 54 + len(palette)) + head + palette + pixels


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(9_000, 9_000, bits=16, interlaced=1), "interlaced PNG.*decoded whole"),
        (jpeg(30_000, 30_000, progressive=True), "too large for a photo of so few bytes"),
        (jpeg(9_900, 9_900, progressive=True), "progressive JPEG.*decoded whole"),
        (webp(16_384), "too large for a photo of so few bytes"),
        (webp(9_000), "WebP.*decoded whole"),
        (avif(9_000), "AVIF.*decoded whole"),
        (bmp(16_711_720, 40, 8, 1, b"\0\1" * 50), "too large"),
        (bmp(9_000, 9_000, 8, 1, b"\0\2\xff\xff" * 50), "run-length encoded BMP.*decoded whole"),
        (bmp(2**31 - 1, 1, 24, 0, bytes(100)), "too large"),
        (bmp(150_000, 600, 24, 0, bytes(100)), "ends early"),
        (png(150_000, 600, bits=16), "150000 pixels wide"),
        (png(30_000, 30_000), "too large for a photo of so few bytes"),
    ],
)
def test_refused_at_once(data: bytes, reason: str) -> None:
    start = time.process_time()
    with pytest.raises(ImageError, match=reason) as caught:
        open_photo(data)
    assert time.process_time() - start < 1
    if "early" not in reason:
        assert "--max-pixels" in caught.value.hint or "pixels a side are read" in caught.value.hint


def test_what_the_user_allows_is_read() -> None:
    data = bytes(saved("WEBP", 300))
    with pytest.raises(ImageError, match=r"can only be decoded whole, in 0\.6 GB") as caught:
        Limits("a.webp", len(data)).check_held("a WebP file", 9_000, 9_000, 8)
    assert "62 megapixels are read. If it is sound, allow it with --max-pixels 81." in caught.value.hint
    Limits("a.webp", len(data), max_pixels=81).check_held("a WebP file", 9_000, 9_000, 8)
    # A real photo has the bytes for it.
    Limits("a.webp", 2_000_000).check_held("a WebP file", 9_000, 9_000, 8)
    big = 1_000_000_000
    with pytest.raises(ImageError, match="too large"):
        Limits("a.png", big).check_size(40_000, 40_000)
    Limits("a.png", big, max_pixels=1_600).check_size(40_000, 40_000)


def test_texts_that_expand() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(8_000_000), 9))
    for before in (bomb * 100, chunk(b"tEXt", b"a\0b") * 20_000):
        with pytest.raises(ImageError, match="metadata is too large"):
            open_photo(png(8, 8, before=before))
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"b" * 9999))
    assert open_photo(png(8, 8, before=text)).width == 8


def test_many_scans() -> None:
    data = jpeg(8_000, 8_000, progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="progressive JPEG file of 60 scans"):
        open_photo(data[:-2] + scan * 50 + data[-2:])


def test_sequential_jpeg_of_several_scans_is_held() -> None:
    """Whether it is progressive or not: one scan a colour."""
    data = bytearray(jpeg(9_900, 9_900))
    place = data.index(b"\xff\xda")
    data[place + 4] = 1
    with pytest.raises(ImageError, match=r"of several scans.*decoded whole"):
        open_photo(bytes(data))


@pytest.mark.parametrize("marker", [0xC3, 0xC7, 0xCB])
def test_other_kinds_of_jpeg(marker: int) -> None:
    data = bytearray(jpeg(16, 16))
    place = data.index(b"\xff\xc0")
    data[place + 1] = marker
    with pytest.raises(ImageError, match="JPEG"):
        list(open_photo(bytes(data)).strips(8))
    data[place + 1], data[place + 4] = 0xC1, 12
    with pytest.raises(ImageError, match="12 bits a colour, which is not supported"):
        open_photo(bytes(data))


def test_the_option(denoise: Command, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", 1_200))
    refused = denoise("denoise-image", "a.jpg", "--max-pixels", "1")
    assert refused.returncode == 1
    assert "too large" in refused.stderr
    assert "allow it with --max-pixels 2" in refused.stderr
    assert denoise("denoise-image", "a.jpg", "--max-pixels", "2").returncode == 0
