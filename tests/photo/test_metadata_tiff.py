"""TIFF tags stay as they are, whatever the order of the file's bytes; checked with tifffile."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

Rewrite = Callable[..., tuple[str, ...]]
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
IPTC = b"\x1c\x02\0\0\2\0\4\x1c\x02\x5a\0\x08New York\x1c\x02\x19\0\x05vivid"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TAGS = [
    (33432, "s", 0, "© 2024 J. Müller".encode(), True),
    (315, "s", 0, "Künstler".encode("latin-1"), True),
    (270, "s", 0, b"a description", True),
    (269, "s", 0, b"document", True),
    (285, "s", 0, b"p", True),
    (274, "H", 1, 6, True),
    (18246, "H", 1, 4, True),
    (0x9C9B, "B", 8, "Tïtl".encode("utf-16-le"), True),
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 100000.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34737, "s", 0, b"WGS 84|", True),
    (42112, "s", 0, b"<GDALMetadata/>", True),
    (700, "B", 37, b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", True),
    (34675, "B", len(PROFILE), PROFILE, True),
    (65000, "I", 3, (1, 2, 3), True),
    (65001, "2i", 2, (-1, 3, 5, 7), True),
]
STORAGE = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339}


def write(path: Path, tags: list[Any], **options: Any) -> None:
    count = len(IPTC) + -len(IPTC) % 4
    order = options.get("byteorder", "<")
    words = np.frombuffer(IPTC.ljust(count, b"\0"), f"{order}u4")
    iptc = (33723, "I", count // 4, words, True)
    options = {"photometric": "rgb", "metadata": None, "extratags": [*tags, iptc]} | options
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), byteorder=order) as file:
        file.write(options.pop("data", PIXELS), **{k: v for k, v in options.items() if k != "byteorder"})


def tags_of(path: Path) -> dict[int, tuple[int, int, Any]]:
    """Type, count and value of the tags that do not say how pixels are stored."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        found = {}
        for tag in page.tags:
            value = tag.value.tolist() if isinstance(tag.value, np.ndarray) else tag.value
            if tag.code not in STORAGE:
                found[tag.code] = int(tag.dtype), tag.count, value
    return found


@pytest.mark.parametrize("kind", [1, 4])
def test_of_a_picture_behind_its_preview_or_mask(kind: int, rewrite: Rewrite, tmp_path: Path) -> None:
    """The picture's own tags, and those that the file's first directory alone has."""
    both = (65001, "s", 0, b"first", True)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        preview = PIXELS[::2, ::2] if kind == 1 else PIXELS[..., 0] > 50
        colours = "rgb" if kind == 1 else "minisblack"
        tags = [(271, "s", 0, b"Maker", True), both]
        file.write(preview, photometric=colours, subfiletype=kind, metadata=None, extratags=tags)
        tags = [(270, "s", 0, b"a view", True), (65001, "s", 0, b"second", True)]
        file.write(PIXELS, photometric="rgb", metadata=None, extratags=tags, resolution=(300, 300))
    assert "smaller versions and masks" in " ".join(rewrite(tmp_path / "a.tif", tmp_path / "b.tif"))
    after = {tag: value for tag, (_, _, value) in tags_of(tmp_path / "b.tif").items()}
    assert (after[270], after[271], after[65001]) == ("a view", "Maker", "second")
    assert after[282] == (300, 1)
    assert (tifffile.imread(tmp_path / "b.tif") == PIXELS).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_tags_stay_as_they_are(order: str, bigtiff: bool, rewrite: Rewrite, tmp_path: Path) -> None:
    write(tmp_path / "a.tif", TAGS, byteorder=order, bigtiff=bigtiff, resolution=(300, 200), resolutionunit=3)
    assert rewrite(tmp_path / "a.tif", tmp_path / "b.tif") == ()
    before, after = tags_of(tmp_path / "a.tif"), tags_of(tmp_path / "b.tif")
    assert after == before
    assert {tag for tag, *_ in TAGS} | {33723, 282, 283, 296} <= after.keys()
    assert (tifffile.imread(tmp_path / "b.tif") == PIXELS).all()
    # Texts are bytes, whatever their encoding.
    data = (tmp_path / "b.tif").read_bytes()
    assert "© 2024 J. Müller".encode() + b"\0" in data and "Künstler".encode("latin-1") + b"\0" in data
    assert IPTC in data


def test_nothing_is_invented(rewrite: Rewrite, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    rewrite(tmp_path / "a.tif", tmp_path / "b.tif")
    assert tags_of(tmp_path / "b.tif") == tags_of(tmp_path / "a.tif") == {}


def test_a_resolution_is_converted_without_making_up_exif_data(rewrite: Rewrite, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif", dpi=(300, 200))
    for one, other in (("a.tif", "b.png"), ("b.png", "c.jpg"), ("c.jpg", "d.bmp"), ("d.bmp", "e.tif")):
        assert rewrite(tmp_path / one, tmp_path / other) == ()
        with Image.open(tmp_path / other) as image:
            assert [float(side) for side in image.info["dpi"]] == pytest.approx([300, 200], rel=1e-3)
            assert "exif" not in image.info
    # WebP and AVIF say it in EXIF data alone.
    for name in ("f.webp", "f.avif"):
        assert rewrite(tmp_path / "a.tif", tmp_path / name) == ()
        with Image.open(tmp_path / name) as image:
            assert [float(image.getexif()[tag]) for tag in (282, 283, 296)] == [300, 200, 2]


def test_exif_directories_are_kept_in_either_order(rewrite: Rewrite, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(
        {0x829A: IFDRational(1, 125), 0x9286: b"ASCII\0\0\0said", 0x927C: b"Nikon\0note"}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (12.0, 30.0, 15.5)})
    assert exif.tobytes()[6:8] == b"MM"
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    for one, other in (("a.jpg", "b.tif"), ("b.tif", "c.tif"), ("c.tif", "d.jpg")):
        assert "maker notes" in rewrite(tmp_path / one, tmp_path / other)[0]
    assert (tmp_path / "c.tif").read_bytes()[:2] == b"II"
    for name in ("b.tif", "c.tif", "d.jpg"):
        with Image.open(tmp_path / name) as image:
            found = image.getexif()
            assert float(found.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 125), name
            assert found.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0said"
            assert found.get_ifd(0x8769)[0x927C] == b"Nikon\0note"
            assert [float(part) for part in found.get_ifd(0x8825)[2]] == [12.0, 30.0, 15.5]


def test_what_another_format_cannot_hold_is_told(rewrite: Rewrite, tmp_path: Path) -> None:
    write(tmp_path / "a.tif", TAGS)
    notes = rewrite(tmp_path / "a.tif", tmp_path / "b.png")
    assert "GeoTIFF tags, TIFF tag 42112, TIFF tag 65000, TIFF tag 65001, IPTC data" in notes[0]
    # JPEG has a place for IPTC.
    notes = rewrite(tmp_path / "a.tif", tmp_path / "b.jpg")
    assert "GeoTIFF" in notes[0] and "IPTC" not in notes[0]
    assert (
        b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC) + -len(IPTC) % 4) + IPTC
        in (tmp_path / "b.jpg").read_bytes()
    )
    with Image.open(tmp_path / "b.jpg") as image:
        found = image.getexif()
        assert image.info["icc_profile"] == PROFILE
        assert image.info["xmp"] == TAGS[13][3]
    assert found[0x0112] == 6 and found[0x4746] == 4 and found[0x9C9B] == TAGS[7][3]
    assert "© 2024 J. Müller".encode() + b"\0" in (tmp_path / "b.jpg").read_bytes()


def test_layers_and_pyramids_of_the_old_pixels_are_dropped_and_told(rewrite: Rewrite, tmp_path: Path) -> None:
    layers = b"Adobe Photoshop Document Data Block\0" + bytes(99)
    write(tmp_path / "a.tif", [(37724, "B", len(layers), layers, True)], subifds=0)
    assert "Photoshop layers" in rewrite(tmp_path / "a.tif", tmp_path / "b.tif")[0]
    assert 37724 not in tags_of(tmp_path / "b.tif")


def test_tags_that_say_more_data_than_the_file_has(rewrite: Rewrite, tmp_path: Path) -> None:
    write(
        tmp_path / "a.tif",
        [(65000, "B", 300, bytes(range(100)) * 3, True), (270, "s", 0, b"kept text", True)],
    )
    data = bytearray((tmp_path / "a.tif").read_bytes())
    place = data.index(struct.pack("<HHI", 65000, 1, 300)) + 4
    data[place : place + 4] = struct.pack("<I", 4_000_000_000)
    assert "damaged TIFF tag 65000" in rewrite(bytes(data), tmp_path / "b.tif")[0]
    found = tags_of(tmp_path / "b.tif")
    assert 65000 not in found and {270, 33723} <= found.keys()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_channel_without_a_meaning_stays_one(dtype: Any, rewrite: Rewrite, tmp_path: Path) -> None:
    scale = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pixels = (np.random.default_rng(0).random((20, 30, 4)) * scale).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[0])
    assert rewrite(tmp_path / "a.tif", tmp_path / "b.tif") == ()
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.extrasamples == (tifffile.EXTRASAMPLE.UNSPECIFIED,)
        assert np.abs(page.asarray().astype(float) - pixels).max() <= 1e-6 * scale
    notes = rewrite(tmp_path / "a.tif", tmp_path / "b.png")
    assert "fourth channel was dropped" in notes[0]
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "RGB"
