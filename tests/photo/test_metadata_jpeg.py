"""JPEG segments stay as they are, byte for byte, and so does what follows the picture."""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

Rewrite = Callable[..., tuple[str, ...]]
Segments = Sequence[tuple[int, bytes]]
PIXELS = (np.mgrid[:24, :32].sum(0)[..., None] * np.array([2, 3, 4])).astype(np.uint8)
APP0, APP1, APP2, APP11, APP13, APP14, COM = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE
XMP = b"http://ns.adobe.com/xap/1.0/\0"
LONG_XMP = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0d\x1c\x02\x5a\0\x08New York\0"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def jpeg(segments: Segments = (), mode: str = "RGB", trailer: bytes = b"") -> bytes:
    """A JPEG file with these segments alone, followed by `trailer`."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "JPEG", quality=95)
    data = file.getvalue()
    place = 2
    while 0xE0 <= data[place + 1] <= 0xEF and (mode != "CMYK" or data[place + 1] != APP14):
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return data[:2] + b"".join(segment(*one) for one in segments) + data[place:] + trailer


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def segments_of(path: Path) -> list[tuple[int, bytes]]:
    """The segments of an application or a comment before the pixels."""
    data, place, found = path.read_bytes(), 2, []
    while data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4])
        if data[place + 1] >= 0xE0:
            found.append((data[place + 1], data[place + 4 : place + 2 + length]))
        place += 2 + length
    return found


def exif_with_maker_note() -> bytes:
    """An EXIF block whose maker note says a place from the block's start, as Canon's do."""
    note = b"\1\0" + struct.pack("<HHII", 0x95, 2, 9, 26 + 18 + 18) + bytes(4) + b"Lens 50mm"
    ifd = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    inner = struct.pack("<HHHII", 1, 0x927C, 7, len(note), 44) + bytes(4)
    block = b"II*\0\x08\0\0\0" + ifd + inner + note
    assert block[62:71] == b"Lens 50mm"
    return b"Exif\0\0" + block


KEPT = [
    (APP0, b"JFIF\0\1\2\2\0\x50\0\x51\0\0"),
    (APP1, exif_with_maker_note()),
    (APP1, XMP + b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
    (APP1, b"FLIR\0thermal"),
    (APP2, b"ICC_PROFILE\0\1\1" + ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    (0xEC, b"Ducky\0"),
    (APP13, PHOTOSHOP),
    (COM, b"a comment, \xfc"),
    (COM, b"and another"),
]


def test_segments_stay_as_they_are(rewrite: Rewrite, tmp_path: Path) -> None:
    assert rewrite(jpeg(KEPT), tmp_path / "b.jpg") == ()
    assert segments_of(tmp_path / "b.jpg") == KEPT
    with Image.open(tmp_path / "b.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - PIXELS).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_nothing_is_invented(mode: str, rewrite: Rewrite, tmp_path: Path) -> None:
    rewrite(jpeg(mode=mode), tmp_path / "b.jpg")
    assert segments_of(tmp_path / "b.jpg") == []
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == mode and "dpi" not in image.info
        expected = np.asarray(Image.fromarray(PIXELS).convert(mode))
        assert np.abs(np.asarray(image).astype(int) - expected).mean() < 2


def test_the_coding_of_the_old_pixels_is_not_kept(rewrite: Rewrite, tmp_path: Path) -> None:
    # Photoshop's marker says how the old colours were coded; content credentials sign the old file.
    given_segments = [(APP14, b"Adobe\0\x64\0\0\0\0\1"), (APP11, b"JP\0\1signed"), (COM, b"kept")]
    notes = rewrite(jpeg(given_segments), tmp_path / "b.jpg")
    assert segments_of(tmp_path / "b.jpg") == [(COM, b"kept")]
    assert "content credentials" in notes[0]
    icc = (APP2, b"ICC_PROFILE\0\1\1of CMYK")
    rewrite(jpeg([KEPT[1], icc], mode="CMYK"), tmp_path / "c.jpg")
    assert segments_of(tmp_path / "c.jpg") == [KEPT[1]]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([APP1, APP2, 0xE3, 0xE5, 0xEF, APP13, COM]), st.binary(max_size=60)),
        max_size=20,
    )
)
def test_any_segments_survive(parts: Segments, rewrite: Rewrite, tmp_path: Path) -> None:
    rewrite(jpeg(parts), tmp_path / "b.jpg", overwrite=True)
    assert segments_of(tmp_path / "b.jpg") == list(parts)


@pytest.mark.parametrize("name", ["b.png", "b.webp", "b.avif", "b.jpg"])
def test_maker_notes_hold_in_every_format_that_has_exif_blocks(
    name: str, rewrite: Rewrite, tmp_path: Path
) -> None:
    rewrite(jpeg(KEPT[:2]), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        block = image.info["exif"]
    assert block.removeprefix(b"Exif\0\0") == exif_with_maker_note()[6:]


def test_comments_and_iptc_that_other_formats_do_not_hold_are_told(rewrite: Rewrite, tmp_path: Path) -> None:
    assert "APP1 data, APP12 data, comment, IPTC data" in rewrite(jpeg(KEPT), tmp_path / "b.png")[0]
    notes = rewrite(jpeg(KEPT), tmp_path / "b.bmp")
    assert "comment, EXIF data, XMP data, colour profile, and 1 more" in notes[0]
    # Photoshop's blocks have a place in TIFF.
    notes = rewrite(jpeg([(APP13, PHOTOSHOP)]), tmp_path / "b.tif")
    assert notes == ()
    with Image.open(tmp_path / "b.tif") as image:
        assert image.tag_v2[34377] == (PHOTOSHOP[14:],)  # type: ignore[attr-defined]


def mpf(order: str, second: int) -> bytes:
    """An index of two pictures, the second at this place from the index' start."""
    entries = struct.pack(order + "IIIHH", 0x30000, 0, 0, 0, 0) + struct.pack(
        order + "IIIHH", 0, 99, second, 0, 0
    )
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    tags = struct.pack(order + "H", 2) + struct.pack(order + "HHII", 0xB001, 4, 1, 2)
    return b"MPF\0" + start + tags + struct.pack(order + "HHIII", 0xB002, 7, 32, 38, 0) + entries


GAIN_MAP_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + RDF.encode() + b'"><rdf:Description '
    b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:Container="http://ns.google.com/photos/1.0/'
    b'container/" xmlns:Item="i" hdrgm:Version="1.0" xmlns:dc="d" dc:format="kept"><Container:Directory>'
    b'<rdf:Seq><rdf:li rdf:parseType="Resource">'
    b'<Container:Item Item:Semantic="GainMap" Item:Length="99"/></rdf:li>'
    b"</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("order", ["<", ">"])
def test_gain_map_behind_the_picture_is_kept(order: str, rewrite: Rewrite, tmp_path: Path) -> None:
    gain_map = jpeg(mode="L")
    # Pillow does not open the second picture where XMP says that it is a gain map.
    xmp = (APP1, XMP + GAIN_MAP_XMP.replace(b" hdrgm:Version", b" hdrgm:OffsetSDR"))

    def build(second: int) -> bytes:
        return jpeg([xmp, (APP2, mpf(order, second)), (COM, b"\xff\xd9 is no end here")])

    first = build(0)
    data = build(len(first) - (first.index(b"MPF\0") + 4)) + gain_map
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert image.mode == "L"
    notes = rewrite(data, tmp_path / "b.jpg")
    assert "not denoised" in notes[0]
    result = (tmp_path / "b.jpg").read_bytes()
    assert result.endswith(gain_map)
    assert segments_of(tmp_path / "b.jpg")[0] == xmp
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.format == "MPO"
        assert image.mpinfo[0xB002][0]["Size"] == len(result) - len(gain_map)  # type: ignore[attr-defined]
        image.seek(1)
        assert image.mode == "L" and image.size == (32, 24)


@pytest.mark.parametrize("name", ["b.png", "b.webp"])
def test_gain_map_that_another_format_cannot_hold_is_not_announced(
    name: str, rewrite: Rewrite, tmp_path: Path
) -> None:
    data = jpeg([(APP1, XMP + GAIN_MAP_XMP)], trailer=jpeg(mode="L"))
    assert "gain map" in rewrite(data, tmp_path / name)[0]
    with Image.open(tmp_path / name) as image:
        xmp = image.info["xmp"]
    assert b"hdrgm" not in xmp and b"Container" not in xmp and b'dc:format="kept"' in xmp


def test_other_data_behind_the_picture_are_kept(rewrite: Rewrite, tmp_path: Path) -> None:
    rewrite(jpeg(trailer=b"\0\0video" * 1000), tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes().endswith(b"\xff\xd9" + b"\0\0video" * 1000)
    assert "data behind" in rewrite(tmp_path / "b.jpg", tmp_path / "b.png")[0]


def test_xmp_above_64_kb_is_split_and_joined(rewrite: Rewrite, tmp_path: Path) -> None:
    text = "".join(f"<rdf:li>keyword {n} of a very long list</rdf:li>" for n in range(4000))
    body = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>{text}</rdf:Bag></dc:subject>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    Image.fromarray(PIXELS).save(tmp_path / "a.webp", xmp=body)
    assert rewrite(tmp_path / "a.webp", tmp_path / "b.jpg") == ()
    main, *extended = [part for marker, part in segments_of(tmp_path / "b.jpg") if marker == APP1]
    found = re.search(rb'HasExtendedXMP="(\w{32})"', main)
    assert found is not None
    assert all(part.startswith(LONG_XMP + found[1]) for part in extended) and len(extended) > 1
    start = len(LONG_XMP) + 32
    assert [struct.unpack(">II", part[start : start + 8]) for part in extended] == [
        (len(body), n * 65400) for n in range(len(extended))
    ]
    joined = b"".join(part[start + 8 :] for part in extended)
    assert joined == body
    assert hashlib.md5(joined).hexdigest().upper().encode() == found[1]
    rewrite(tmp_path / "b.jpg", tmp_path / "c.jpg")
    assert segments_of(tmp_path / "c.jpg") == segments_of(tmp_path / "b.jpg")
    rewrite(tmp_path / "c.jpg", tmp_path / "d.png")
    with Image.open(tmp_path / "d.png") as image:
        assert text.encode() in image.info["xmp"] and b"HasExtendedXMP" not in image.info["xmp"]


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_exif_too_large_for_jpeg_keeps_what_fits(size: int, rewrite: Rewrite, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769).update({0x927C: bytes(size), 0x9286: b"ASCII\0\0\0kept"})
    Image.fromarray(PIXELS).save(tmp_path / "a.webp", exif=exif)
    notes = rewrite(tmp_path / "a.webp", tmp_path / "b.jpg")
    assert "maker notes" in notes[0]
    with Image.open(tmp_path / "b.jpg") as image:
        found = image.getexif()
    assert found[0x010F] == "Maker" and found[0x0112] == 6
    assert found.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0kept"
    # In PNG it has room.
    assert rewrite(tmp_path / "a.webp", tmp_path / "b.png") == ()


def test_profile_of_several_segments(rewrite: Rewrite, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(150_000)
    Image.fromarray(PIXELS).save(tmp_path / "a.webp", icc_profile=profile)
    for one, other in (("a.webp", "b.jpg"), ("b.jpg", "c.jpg"), ("c.jpg", "d.webp")):
        rewrite(tmp_path / one, tmp_path / other)
        with Image.open(tmp_path / other) as image:
            assert image.info["icc_profile"] == profile
