"""WebP chunks stay as they are; AVIF items and colours are kept; checked with Pillow and by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.metadata.av1 import read_av1
from denoise_cli.photo.files.metadata.heif import look_at
from denoise_cli.photo.files.metadata.heif_write import amended

Rewrite = Callable[..., tuple[str, ...]]
PIXELS = (np.mgrid[:24, :33].sum(0)[..., None] * np.array([2, 3, 4])).astype(np.uint8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
HDR = (9, 16)  # primaries of BT.2020, PQ


def exif() -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0112] = "Maker", 6
    block.get_ifd(0x8769)[0x927C] = b"a maker note"
    return block.tobytes()


def webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    found, place = [], 12
    while place < len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        found.append((name, data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return found


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [True, False])
def test_webp_chunks_stay_as_they_are(mode: str, lossless: bool, rewrite: Rewrite, tmp_path: Path) -> None:
    file = io.BytesIO()
    picture = Image.fromarray(PIXELS).convert(mode)
    picture.putpixel((0, 0), (1, 2, 3, 4)[: len(mode)])
    picture.save(file, "WEBP", lossless=lossless, exact=True, exif=exif(), xmp=XMP, icc_profile=PROFILE)
    unknown = b"prVt" + struct.pack("<I", 3) + b"odd\0"
    data = file.getvalue() + unknown
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert rewrite(data, tmp_path / "b.webp") == ()
    pixels = {b"VP8 ", b"VP8L", b"ALPH"}
    kept = [chunk for chunk in webp_chunks(data) if chunk[0] not in pixels]
    result = webp_chunks((tmp_path / "b.webp").read_bytes())
    assert [chunk for chunk in result if chunk[0] not in pixels] == kept
    assert {name for name, _ in kept} == {b"VP8X", b"ICCP", b"EXIF", b"XMP ", b"prVt"}
    with Image.open(tmp_path / "b.webp") as image:
        assert image.mode == mode
        assert not lossless or (np.asarray(image) == np.asarray(picture)).all()
    assert "prVt chunk" in rewrite(data, tmp_path / "b.png")[0]


def test_a_webp_of_pixels_alone_stays_one(rewrite: Rewrite, tmp_path: Path) -> None:
    for lossless in (True, False):
        Image.fromarray(PIXELS).save(tmp_path / "a.webp", lossless=lossless)
        rewrite(tmp_path / "a.webp", tmp_path / "b.webp", overwrite=True)
        names = [name for name, _ in webp_chunks((tmp_path / "b.webp").read_bytes())]
        assert names == [b"VP8L" if lossless else b"VP8 "]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_size_in_the_header_of_a_webp(suffix: str, rewrite: Rewrite, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / f"a.{suffix}", exif=exif(), icc_profile=PROFILE)
    rewrite(tmp_path / f"a.{suffix}", tmp_path / "b.webp")
    with Image.open(tmp_path / "b.webp") as image:
        assert image.size == (33, 24) and image.info["icc_profile"] == PROFILE
    header = dict(webp_chunks((tmp_path / "b.webp").read_bytes()))[b"VP8X"]
    assert header == bytes([0x28, 0, 0, 0, 32, 0, 0, 23, 0, 0])


@pytest.mark.parametrize("suffix", ["avif", "jpg", "webp", "png"])
def test_avif_items(suffix: str, rewrite: Rewrite, tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    more: dict[str, Any] = {"pnginfo": texts} if suffix == "png" else {"xmp": XMP}
    Image.fromarray(PIXELS).save(tmp_path / f"a.{suffix}", exif=exif(), icc_profile=PROFILE, **more)
    notes = rewrite(tmp_path / f"a.{suffix}", tmp_path / "b.avif")
    assert notes == ()
    with Image.open(tmp_path / "b.avif") as image:
        assert image.info["icc_profile"] == PROFILE and image.info["xmp"] == XMP
        found = image.getexif()
        assert found[0x010F] == "Maker"
        assert found.get_ifd(0x8769)[0x927C] == b"a maker note"
        shown = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert np.abs(shown - np.rot90(PIXELS, 3)).mean() < 3


def test_a_turned_avif_is_not_turned_twice(rewrite: Rewrite, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.avif", exif=exif())
    with Image.open(tmp_path / "a.avif") as image:
        assert image.size == (33, 24) and image.getexif()[0x0112] == 6
    for name in ("b.avif", "b.jpg", "b.png"):
        rewrite(tmp_path / "a.avif", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            # libheif has turned the pixels.
            assert image.size == (24, 33) and image.getexif().get(0x0112, 1) == 1


def avif(
    bits: int = 8, lossless: bool = False, cicp: tuple[int, int] | None = None, alpha: bool = False
) -> bytes:
    """An AVIF file of a 16-bit ramp or of `PIXELS`, with these colours."""
    pixels = PIXELS if bits == 8 else ramp(bits)
    image = pyvips.Image.new_from_array(np.dstack([pixels, pixels[..., :1]]) if alpha else pixels)
    image = image.copy(interpretation="srgb" if bits == 8 else "rgb16")
    data = image.heifsave_buffer(compression="av1", bitdepth=bits, lossless=lossless, effort=0)
    return b"".join(amended(data, b"", cicp))


def ramp(bits: int) -> np.ndarray[Any, Any]:
    """All values of so many bits, at the top of 16."""
    values = (np.arange(64 * 64, dtype=np.uint16) << (16 - bits)).reshape(64, 64, 1)
    return np.repeat(values, 3, 2)


@pytest.mark.parametrize("code", [(257, 13), (1, 65535), (300, 300)])
def test_codes_of_colours_that_do_not_exist(code: tuple[int, int], rewrite: Rewrite, tmp_path: Path) -> None:
    """AVIF has room for more of them than PNG, and than ITU-T H.273 numbers."""
    data = avif(8, True, code)
    assert rewrite(data, tmp_path / "b.avif") == ()
    with (tmp_path / "b.avif").open("rb") as file:
        assert look_at(file).cicp == code
    assert any("code of its colours" in note for note in rewrite(data, tmp_path / "b.png"))
    assert b"cICP" not in (tmp_path / "b.png").read_bytes()
    with pytest.raises(ImageError, match=f"primaries {code[0]}, transfer function {code[1]}"):
        rewrite(data, tmp_path / "b.jpg")


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("alpha", [True, False])
def test_hdr_colours_of_avif_are_kept(lossless: bool, alpha: bool, rewrite: Rewrite, tmp_path: Path) -> None:
    data = avif(10, lossless, HDR, alpha)
    assert look_at(io.BytesIO(data)).cicp == HDR
    assert rewrite(data, tmp_path / "b.avif") == ()
    with (tmp_path / "b.avif").open("rb") as file:
        seen = look_at(file)
    assert seen.cicp == HDR and seen.av1 is not None
    # The matrix is that with which the data were encoded.
    assert seen.nclx is not None and seen.nclx[2] == seen.av1.matrix
    with Image.open(tmp_path / "b.avif") as image:
        image.load()
        assert image.mode == ("RGBA" if alpha else "RGB")
    # PNG says the same in a chunk of its own.
    rewrite(data, tmp_path / "b.png")
    assert b"cICP" + bytes([*HDR, 0, 1]) in (tmp_path / "b.png").read_bytes()
    rewrite(tmp_path / "b.png", tmp_path / "c.avif")
    with (tmp_path / "c.avif").open("rb") as file:
        assert look_at(file).cicp == HDR


@pytest.mark.parametrize("name", ["b.jpg", "b.tif", "b.webp", "b.bmp"])
def test_hdr_colours_that_a_format_cannot_describe_are_refused(
    name: str, rewrite: Rewrite, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="primaries 9, transfer function 16") as error:
        rewrite(avif(10, cicp=HDR), tmp_path / name)
    assert "--format avif" in error.value.hint
    assert not (tmp_path / name).exists()


def test_wide_colours_of_avif_become_an_equal_profile(rewrite: Rewrite, tmp_path: Path) -> None:
    assert "colour profile" in rewrite(avif(cicp=(12, 13)), tmp_path / "b.bmp")[0]
    rewrite(avif(cicp=(12, 13)), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    colorant = profile.profile.red_colorant
    assert colorant is not None
    assert np.abs(np.array(colorant[0]) - (0.51512, 0.2412, -0.00105)).max() < 2e-4
    middle = ImageCms.profileToProfile(
        Image.new("RGB", (1, 1), (128, 128, 128)), profile, ImageCms.createProfile("sRGB")
    )
    assert middle is not None and np.abs(np.asarray(middle).astype(int) - 128).max() <= 1


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_stays_deep(bits: int, rewrite: Rewrite, tmp_path: Path) -> None:
    data = avif(bits, lossless=True)
    assert rewrite(data, tmp_path / "b.avif") == ()
    result = pyvips.Image.heifload(str(tmp_path / "b.avif"))
    assert result.get("bits-per-sample") == bits
    assert (result.numpy() == ramp(bits)).all()
    # White is white, not a little less.
    rewrite(data, tmp_path / "b.png")
    found = pyvips.Image.pngload(str(tmp_path / "b.png")).numpy()
    wanted = ramp(bits).astype(float) * 65535 / ramp(bits).max() if bits == 12 else None
    assert wanted is None or np.abs(found - wanted).max() <= 1
    assert found.max() == 65535 and found.min() == 0


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_lossless_stays_lossless(suffix: str, rewrite: Rewrite, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    if suffix == "webp":
        Image.fromarray(noise).save(tmp_path / "a.webp", lossless=True)
    else:
        image = pyvips.Image.new_from_array(noise)
        image.heifsave(str(tmp_path / "a.avif"), compression="av1", lossless=True, effort=0)
    rewrite(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}")
    with Image.open(tmp_path / f"b.{suffix}") as image:
        assert (np.asarray(image) == noise).all()
    # A quality that is asked for is given, and a lossy photo stays lossy.
    rewrite(tmp_path / f"a.{suffix}", tmp_path / f"c.{suffix}", quality=80)
    rewrite(tmp_path / f"c.{suffix}", tmp_path / f"d.{suffix}")
    sizes = [(tmp_path / f"{name}.{suffix}").stat().st_size for name in "bcd"]
    assert sizes[1] < sizes[0] and sizes[2] < sizes[0]


@pytest.mark.parametrize("size", [(8, 8), (100, 150), (300, 20), (4200, 8)])
def test_headers_of_av1(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for options, lossless in (({"quality": 100}, True), ({"quality": 99}, False), ({"quality": 50}, False)):
        for more in ({}, {"subsampling": "4:0:0"}, {"range": "limited"}, {"tile_rows": 1, "tile_cols": 1}):
            file = io.BytesIO()
            Image.fromarray(noise).save(file, "AVIF", speed=10, **options, **more)
            av1 = look_at(file).av1
            assert av1 is not None
            assert (av1.lossless, av1.grey) == (lossless, "4:0:0" in more.values()), (options, more)
            assert av1.full_range == ("range" not in more)
            assert (av1.primaries, av1.transfer, av1.matrix) == (1, 13, 6)


def test_headers_of_no_av1() -> None:
    assert read_av1(b"") is None and read_av1(b"\x12\0") is None
    assert read_av1(bytes(range(256))) is None


@pytest.mark.parametrize("limited", [True, False])
def test_grey_avif_stays_grey(limited: bool, rewrite: Rewrite, tmp_path: Path) -> None:
    grey = np.tile(np.linspace(0, 255, 96).round().astype(np.uint8), (64, 1))
    kind = {"range": "limited" if limited else "full", "subsampling": "4:0:0"}
    Image.fromarray(grey).save(tmp_path / "a.avif", quality=95, **kind)
    rewrite(tmp_path / "a.avif", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "L"
        assert np.abs(np.asarray(image).astype(int) - grey).max() <= 3
    rewrite(tmp_path / "a.avif", tmp_path / "b.avif")
    with Image.open(tmp_path / "b.avif") as image:
        result = np.asarray(image.convert("RGB")).astype(int)
    assert (result == result[..., :1]).all()
    assert np.abs(result[..., 0] - grey).max() <= 5
