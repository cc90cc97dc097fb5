"""PNG chunks stay as they are, byte for byte; what other formats cannot hold is told."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

Rewrite = Callable[..., tuple[str, ...]]
Chunks = Sequence[tuple[bytes, bytes]]
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
GREY, RGB, PALETTE = 0, 2, 3
SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(before: Chunks = (), after: Chunks = (), kind: int = RGB) -> bytes:
    """A PNG file with these chunks before and after its pixels."""
    pixels = PIXELS if kind == RGB else PIXELS[..., :1] % 4
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", 12, 9, 8, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunks(path: Path) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """The chunks before and after the pixels."""
    data, place = path.read_bytes(), 8
    parts: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = ([], [])
    after = False
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert data[place + 8 + length : place + 12 + length] == struct.pack(">I", zlib.crc32(name + body))
        after = after or name == b"IDAT"
        if name not in {b"IHDR", b"IDAT", b"IEND"}:
            parts[after].append((name, body))
        place += 12 + length
    return parts


def exif_block() -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0112] = "Maker", 6
    return block.tobytes()[6:]


KEPT = [
    (b"gAMA", struct.pack(">I", 100000)),
    (b"cHRM", struct.pack(">8I", *SRGB_POINTS)),
    (b"sBIT", bytes([5, 6, 5])),
    (b"bKGD", struct.pack(">3H", 1, 2, 3)),
    (b"pHYs", struct.pack(">IIB", 2835, 5000, 1)),
    (b"tIME", struct.pack(">H5B", 2024, 5, 1, 12, 0, 0)),
    (b"tEXt", b"Creation Time\x002024-05-01"),
    (b"tEXt", b"K\xfcnstler\0Anna"),
    (b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 99)),
    (b"iTXt", b"Title\0\0\0de\0Titel\0" + "山田 Müller".encode()),
    (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
    (b"cICP", bytes([9, 16, 0, 1])),
    (b"mDCV", bytes(24)),
    (b"cLLI", bytes(8)),
    (b"sPLT", b"a\0\x08" + bytes(6)),
    (b"oFFs", bytes(9)),
    (b"prVt", b"of a program that we do not know"),
]


def test_chunks_stay_where_and_as_they_are(rewrite: Rewrite, tmp_path: Path) -> None:
    after = [(b"eXIf", exif_block()), (b"tEXt", b"Author\0Anna"), (b"iTXt", b"Note\0\0\0\0\0" + b"\xc3\xbc")]
    assert rewrite(png(KEPT, after), tmp_path / "b.png") == ()
    assert chunks(tmp_path / "b.png") == (KEPT, after)
    with Image.open(tmp_path / "b.png") as image:
        assert (np.asarray(image) == PIXELS).all()
        image.load()
        assert image.getexif()[0x0112] == 6


def test_nothing_is_invented(rewrite: Rewrite, tmp_path: Path) -> None:
    assert rewrite(png(), tmp_path / "b.png") == ()
    assert chunks(tmp_path / "b.png") == ([], [])
    for name in ("b.jpg", "b.webp", "b.tif", "b.avif"):
        rewrite(png(), tmp_path / name)
        with Image.open(tmp_path / name) as image:
            # Pillow shows 1 for TIFF, where no tag says it.
            assert image.info.get("dpi", (1, 1)) == (1, 1), name
            # Pillow shows all of a TIFF file's tags as EXIF.
            assert not {"exif", "xmp", "icc_profile"} & image.info.keys(), name
            assert name == "b.tif" or not image.getexif()
            assert not {0x011A, 0x0131, 0x8769} & set(image.getexif())


def test_many_texts_of_one_key(rewrite: Rewrite, tmp_path: Path) -> None:
    texts = [(b"tEXt", b"Note\0" + str(number).encode()) for number in range(70)]
    rewrite(png(texts), tmp_path / "b.png")
    assert chunks(tmp_path / "b.png") == (texts, [])


def test_what_says_how_old_pixels_were_stored_is_dropped(rewrite: Rewrite, tmp_path: Path) -> None:
    palette = [
        (b"PLTE", bytes(range(12))),
        (b"hIST", bytes(8)),
        (b"tRNS", b"\0\x80"),
        (b"bKGD", b"\1"),
        (b"tEXt", b"a\0b"),
    ]
    rewrite(png(palette, kind=PALETTE), tmp_path / "b.png")
    assert chunks(tmp_path / "b.png") == ([palette[-1]], [])
    assert Image.open(tmp_path / "b.png").mode == "RGBA"
    transparent = [(b"sBIT", b"\5"), (b"bKGD", b"\0\1"), (b"tRNS", b"\0\2")]
    rewrite(png(transparent, kind=GREY), tmp_path / "c.png")
    assert chunks(tmp_path / "c.png") == ([], [])
    assert Image.open(tmp_path / "c.png").mode == "LA"
    # Apple's index of the old data, and a signature of it.
    notes = rewrite(png([(b"iDOT", bytes(28)), (b"caBX", b"signed"), (b"prVT", b"?")]), tmp_path / "d.png")
    assert chunks(tmp_path / "d.png") == ([], [])
    assert "content credentials" in notes[0] and "prVT" in notes[0]


def test_a_damaged_chunk_is_dropped_and_told(rewrite: Rewrite, tmp_path: Path) -> None:
    data = png([(b"zzZz", b"unknown"), (b"tEXt", b"a\0b")])
    notes = rewrite(data.replace(b"unknown", b"changed"), tmp_path / "b.png")
    assert "damaged zzZz" in notes[0]
    assert chunks(tmp_path / "b.png") == ([(b"tEXt", b"a\0b")], [])


NAMES = st.sampled_from(
    [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs", b"prVt", b"abXd", b"oFFs", b"sPLT", b"eXIf"]
)
LISTS = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=20)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=LISTS, after=LISTS)
def test_any_chunks_survive(before: Chunks, after: Chunks, rewrite: Rewrite, tmp_path: Path) -> None:
    rewrite(png(before, after), tmp_path / "b.png", overwrite=True)
    assert chunks(tmp_path / "b.png") == (list(before), list(after))


@pytest.mark.parametrize("kind", [RGB, GREY])
@pytest.mark.parametrize("name", ["b.jpg", "b.tif", "b.webp", "b.avif"])
def test_colours_in_numbers_become_an_equal_profile(
    name: str, kind: int, rewrite: Rewrite, tmp_path: Path
) -> None:
    # Wide primaries, and pixels that are linear.
    points = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    before = [(b"gAMA", struct.pack(">I", 100000)), (b"cHRM", struct.pack(">8I", *points))]
    rewrite(png(before, kind=kind), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        if kind == GREY and image.mode == "L":
            assert profile.profile.xcolor_space == "GRAY"
            return
    sample = Image.new("RGB", (1, 1), (128, 128, 128))
    to_srgb = ImageCms.profileToProfile(sample, profile, ImageCms.createProfile("sRGB"))
    assert to_srgb is not None
    # Half the light is 188 of 255 in sRGB.
    assert np.abs(np.asarray(to_srgb).astype(int) - 188).max() <= 1
    if kind == GREY:
        return
    # Display P3's, as relative to D50.
    colorant = profile.profile.green_colorant
    assert colorant is not None
    assert np.abs(np.array(colorant[0]) - (0.29198, 0.69225, 0.04189)).max() < 2e-4


def test_colours_of_srgb_need_no_profile(rewrite: Rewrite, tmp_path: Path) -> None:
    before = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *SRGB_POINTS))]
    for numbers in (before, before[:1], [(b"sRGB", b"\0")], [(b"cICP", bytes([1, 13, 0, 1]))]):
        rewrite(png(numbers), tmp_path / "b.jpg", overwrite=True)
        with Image.open(tmp_path / "b.jpg") as image:
            assert "icc_profile" not in image.info


@pytest.mark.parametrize("name", ["b.jpg", "b.tif", "b.webp", "b.bmp"])
def test_texts_that_other_formats_do_not_hold_are_told(name: str, rewrite: Rewrite, tmp_path: Path) -> None:
    notes = rewrite(png([(b"tEXt", b"Author\0Anna"), (b"tIME", bytes(7))]), tmp_path / name)
    assert "text Author, time of the last change" in notes[0]
