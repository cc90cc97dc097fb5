"""TIFF files of every kind: read as tifffile reads them, or refused with the true reason."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.read import Photo, open_photo

HEIGHT, WIDTH = 70, 90
Change = Callable[[int, int, int, int], tuple[int, int, int, int]]


def picture(dtype: str = "u1", channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.random((HEIGHT, WIDTH, channels)).astype(dtype)
    return rng.integers(0, 100, (HEIGHT, WIDTH, channels)).astype(dtype)


def pixels_of(photo: Photo) -> np.ndarray:
    return np.concatenate(list(photo.strips(32)))


def read(path: Path) -> np.ndarray:
    return pixels_of(open_photo(path))


def write(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """A TIFF file; `photometric` is RGB unless said."""
    tifffile.imwrite(path, pixels, **{"photometric": "rgb", "metadata": None, **options})
    return path


def patch(path: Path, change: Change, backwards: bool = False) -> Path:
    """Change the entries of a classic little-endian TIFF's directory: tag, type, count, value."""
    data = bytearray(path.read_bytes())
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    entries = [
        struct.pack("<HHII", *change(*struct.unpack_from("<HHII", data, place + 2 + 12 * number)))
        for number in range(count)
    ]
    data[place + 2 : place + 2 + 12 * count] = b"".join(reversed(entries) if backwards else entries)
    path.write_bytes(data)
    return path


def tag_set(wanted: int, value: int) -> Change:
    return lambda tag, kind, count, old: (tag, kind, count, value if tag == wanted else old)


@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_layouts(tile: Any, planes: str, compression: Any, dtype: str, tmp_path: Path) -> None:
    pixels = picture(dtype, 4)
    stored = pixels if planes == "contig" else np.moveaxis(pixels, -1, 0)
    options = {"tile": tile} if tile else {"rowsperstrip": 16}
    path = write(
        tmp_path / "a.tif", stored, compression=compression, planarconfig=planes, extrasamples=[2], **options
    )
    assert (read(path) == pixels).all()


@pytest.mark.parametrize(
    "options", [{"byteorder": ">"}, {"bigtiff": True}, {"predictor": 2}, {"rowsperstrip": 1}]
)
def test_byte_orders_and_the_like(options: dict[str, Any], tmp_path: Path) -> None:
    pixels = picture("u2")
    compression = "deflate" if "predictor" in options else None
    assert (read(write(tmp_path / "a.tif", pixels, compression=compression, **options)) == pixels).all()


@pytest.mark.parametrize("compression", ["lzw", "packbits", "jpeg", "ccittfax4", "webp"])
@pytest.mark.parametrize("tile", [False, True])
def test_other_codecs(compression: str, tile: bool, tmp_path: Path) -> None:
    """Of libtiff's own encoders, which the program also reads with; the pixels are Pillow's or its own."""
    pixels = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype("u1")[..., None]
    bilevel = compression == "ccittfax4"
    pixels = np.where(pixels > 80, np.uint8(255), np.uint8(0)) if bilevel else np.repeat(pixels, 3, axis=2)
    image = pyvips.Image.new_from_array(pixels)
    bits = {"bitdepth": 1} if bilevel else {}
    lossless = {"lossless": True} if compression == "webp" else {}
    image.tiffsave(str(tmp_path / "a.tif"), compression=compression, tile=tile, Q=100, **bits, **lossless)
    assert np.abs(read(tmp_path / "a.tif").astype(int) - pixels).max() <= (3 if compression == "jpeg" else 0)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        *[(50000, "Zstandard"), (34925, "LZMA"), (34887, "LERC"), (34712, "JPEG 2000"), (50002, "JPEG XL")],
        *[(34933, "PNG"), (22610, "JPEG XR"), (6, "old-style JPEG"), (65123, "scheme 65123")],
    ],
)
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_codecs_that_libvips_lacks(number: int, name: str, tile: Any, tmp_path: Path) -> None:
    path = patch(write(tmp_path / "a.tif", picture(), tile=tile), tag_set(259, number))
    with pytest.raises(ImageError, match=f"compressed with {name}"):
        open_photo(path)


@pytest.mark.parametrize("tile", [None, (32, 32)])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_a_broken_piece_is_never_black(tile: Any, planes: str, tmp_path: Path) -> None:
    """Whichever strip or tile is broken, in whichever plane."""
    pixels = picture() if planes == "contig" else np.moveaxis(picture(), -1, 0)
    options = {"tile": tile} if tile else {"rowsperstrip": 16}
    path = write(tmp_path / "a.tif", pixels, compression="deflate", planarconfig=planes, **options)
    data = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        pieces = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    for start, count in (pieces[0], pieces[-1], pieces[len(pieces) // 2]):
        path.write_bytes(data[: start + 2] + b"\x55" * (count - 2) + data[start + count :])
        with pytest.raises(ImageError, match="damaged"):
            read(path)


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (279, 0, "damaged"),  # no bytes in a strip
        (273, 0, "damaged"),  # a strip that is left out
        (273, 2**31, "ends early"),
        (279, 2**31, "ends early"),
        (257, 150_000, "damaged"),  # more rows than strips
        (278, 0, "damaged"),
        (277, 60_000, "not supported"),
        (256, 0, "0 x"),
        (258, 0, "not supported"),
    ],
)
def test_numbers_that_do_not_fit(tag: int, value: int, reason: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tif", picture("u1", 1)[..., 0], photometric="minisblack", compression="deflate"
    )
    with pytest.raises(ImageError, match=reason):
        read(patch(path, tag_set(tag, value)))


def test_a_table_of_four_billion_strips(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture(), rowsperstrip=1)
    patch(path, lambda *entry: (*entry[:2], 4_000_000_000 if entry[0] in {273, 279} else entry[2], entry[3]))
    with pytest.raises(ImageError, match="damaged"):
        open_photo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda *e: (274, 3, 1, 9) if e[0] == 305 else e,  # no such orientation
        lambda *e: (270, 2, 3, 0x616161) if e[0] == 305 else e,  # a text without its end
        lambda *e: (305, 2, 900_000, 8) if e[0] == 305 else e,  # outside the file
        lambda *e: (306, 99, 1, 0) if e[0] == 305 else e,  # no such type
        lambda *e: (262, 3, 1, 1) if e[0] == 305 else e,  # a tag that comes twice
        lambda *e: (34675, 7, 90, 8) if e[0] == 305 else e,  # a profile that is none
        lambda *e: (65001, 4, 1, 0) if e[0] == 279 else e,  # no lengths
        lambda *e: (279, 4, 1, e[3] + 7) if e[0] == 279 else e,  # lengths rounded up
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_odd_tags_do_not_matter(change: Change, backwards: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture(), software="x" * 9)
    with path.open("ab") as file:
        file.write(bytes(16))
    assert (read(patch(path, change, backwards)) == picture()).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dtype": "f8"}, "floating point of 64 bits"),
        ({"dtype": "i2"}, "signed integers of 16 bits"),
        ({"dtype": "u4"}, "unsigned integers of 32 bits"),
        ({"dtype": "c8"}, "complex numbers of 64 bits"),
        ({"photometric": "ycbcr", "subsampling": (1, 1)}, "YCbCr colours"),
        ({"photometric": "icclab"}, "ICC Lab colours"),
        ({"photometric": "cielab"}, "CIE Lab colours of 8 bits"),
        ({"dtype": "f4", "photometric": "cielab"}, "CIE Lab colours of floating point"),
        ({"dtype": "f4", "photometric": "miniswhite"}, "inverted colours of floating point"),
        ({"photometric": "mask"}, "transparency mask"),
    ],
)
def test_what_is_not_supported_is_said(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    grey = options.get("photometric") in {"minisblack", "miniswhite", "mask"}
    pixels = picture(options.pop("dtype", "u1"))
    with pytest.raises(ImageError, match=f"not supported: .*{reason}"):
        open_photo(write(tmp_path / "a.tif", pixels[..., 0] if grey else pixels, **options))


def test_twelve_bits_are_not_supported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture("u2", 1)[..., 0], photometric="minisblack")
    with pytest.raises(ImageError, match="not supported: its colours are unsigned integers of 12 bits"):
        open_photo(patch(path, tag_set(258, 12)))


@pytest.mark.parametrize("kind", [1, 4, 5])
@pytest.mark.parametrize("first", [False, True])
def test_previews_and_masks_are_no_second_picture(kind: int, first: bool, tmp_path: Path) -> None:
    pages: list[tuple[Any, dict[str, Any]]] = [
        (picture(), {"photometric": "rgb"}),
        (picture()[..., 0] > 50, {"photometric": "minisblack", "subfiletype": kind}),
    ]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for pixels, options in reversed(pages) if first else pages:
            file.write(pixels, **options)
    assert (read(tmp_path / "a.tif") == picture()).all()


def test_pages_are_counted(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for kind in (0, 2, 1):
            file.write(picture(), photometric="rgb", subfiletype=kind)
    with pytest.raises(ImageError, match="holds 2 pages"):
        open_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("most", [255.0, 65535.0, -9999.0])
def test_floats_on_another_scale(most: float, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", picture("f4") * np.float32(most))
    with pytest.raises(ImageError, match="must be from 0 to 1"):
        read(path)


def test_floats_a_little_outside(tmp_path: Path) -> None:
    pixels = picture("f4") * 8 - 4
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    assert np.array_equal(read(write(tmp_path / "a.tif", pixels)), pixels, equal_nan=True)
    half = picture("f2")
    assert (read(write(tmp_path / "b.tif", half)) == half).all()


def test_a_strip_of_more_than_fifty_megabytes(tmp_path: Path) -> None:
    """As Pillow and some scanners write: all in one strip."""
    pixels = np.broadcast_to(np.arange(7_000, dtype="u1"), (7_500, 7_000))
    data = zlib.compress(pixels.tobytes(), 0)
    assert len(data) > 50_000_000
    tags = [(256, 7_000), (257, 7_500), (258, 8), (259, 8), (262, 1), (273, 8 + 2 + 9 * 12 + 4), (277, 1)]
    tags += [(278, 7_500), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)
    strip = next(open_photo(path).strips(8))
    assert (strip[..., 0] == pixels[:8]).all()


def test_min_is_white(tmp_path: Path) -> None:
    for dtype in ("u1", "u2"):
        pixels = picture(dtype, 1)[..., 0]
        path = write(tmp_path / f"{dtype}.tif", pixels, photometric="miniswhite")
        assert (read(path)[..., 0] == np.iinfo(pixels.dtype).max - pixels).all()


def test_a_palette(tmp_path: Path) -> None:
    palette = Image.fromarray(picture()).quantize(32)
    palette.save(tmp_path / "a.tif")
    assert (read(tmp_path / "a.tif") == np.asarray(palette.convert("RGB"))).all()
