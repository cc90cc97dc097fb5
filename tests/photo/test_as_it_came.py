"""What a format cannot hold of the pixels is flattened, or refused before the work."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.encoding import choose_encoding
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.read import open_photo

Rewrite = Callable[..., tuple[str, ...]]


def hidden(mode: str) -> np.ndarray[Any, Any]:
    """Noise, transparent on the left, half transparent in the middle."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 48, len(mode)), dtype=np.uint8)
    pixels[..., -1] = np.repeat([0, 128, 255], 16)
    return pixels


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("name", ["b.jpg", "b.bmp"])
def test_transparency_is_set_on_white_and_told(
    mode: str, name: str, rewrite: Rewrite, tmp_path: Path
) -> None:
    pixels = hidden(mode)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    notes = rewrite(tmp_path / "a.png", tmp_path / name)
    assert "set on white" in notes[0]
    with Image.open(tmp_path / name) as image:
        assert image.mode == mode[:-1]
        result = np.asarray(image).reshape(24, 48, -1).astype(float)
    share = pixels[..., -1:] / 255
    wanted = pixels[..., :-1] * share + 255 * (1 - share)
    if name == "b.bmp":
        assert np.abs(result - wanted).max() <= 0.5
    else:
        assert np.abs(result - wanted)[:, :8].max() <= 3
        assert np.abs(result - wanted).mean() < 10


def test_deep_transparency_is_set_on_white(rewrite: Rewrite, tmp_path: Path) -> None:
    pixels = hidden("RGBA").astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    rewrite(tmp_path / "a.tif", tmp_path / "b.bmp")
    with Image.open(tmp_path / "b.bmp") as image:
        result = np.asarray(image).astype(float)
    share = pixels[..., -1:] / 65535
    assert np.abs(result - (pixels[..., :-1] / 257 * share + 255 * (1 - share))).max() <= 1


def test_grey_stays_grey(rewrite: Rewrite, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    for name in ("b.jpg", "b.tif", "b.bmp", "b.png"):
        rewrite(tmp_path / "a.png", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert image.mode == "L", name
    for name in ("b.webp", "b.avif"):
        rewrite(tmp_path / "a.png", tmp_path / name)
        with Image.open(tmp_path / name) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        # WebP's decoders round the channels differently.
        assert np.abs(pixels - pixels[..., :1]).max() <= (name == "b.webp"), name


def wide(width: int, height: int) -> bytes:
    """A grey PNG of so many pixels, all black."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes((width + 1) * height)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "most"), [("webp", 16383), ("jpeg", 65500), ("avif", 16384), ("heic", 16384)]
)
@pytest.mark.parametrize("upright", [False, True])
def test_too_wide_for_a_format_is_refused_with_its_limit(
    name: str, most: int, upright: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether HEIC can be written depends on the library.
    monkeypatch.setattr("denoise_cli.photo.files.encoding._encodes", lambda codec: True)
    for side, fits in ((most, True), (most + 1, False)):
        photo = open_photo(wide(2, side) if upright else wide(side, 2))
        if fits:
            choose_encoding(photo, FORMATS[name], None, None)
            continue
        with pytest.raises(ImageError, match=f"at most {most} a side") as error:
            choose_encoding(photo, FORMATS[name], None, None)
        assert "--format" in error.value.hint


@pytest.mark.parametrize("name", ["b.webp", "b.jpg", "b.avif"])
def test_the_largest_side_can_be_written(name: str, rewrite: Rewrite, tmp_path: Path) -> None:
    most = {"b.webp": 16383, "b.jpg": 65500, "b.avif": 16384}[name]
    rewrite(wide(most, 16), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.size == (most, 16)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_premultiplied_alpha_is_read_as_what_is_seen(dtype: Any, rewrite: Rewrite, tmp_path: Path) -> None:
    most = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, most, (20, 30, 4)).astype(dtype)
    pixels[..., 3] = most // 2
    pixels[..., :3] //= 2
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    rewrite(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        result, kind = page.asarray().astype(float), page.extrasamples
    if kind == (tifffile.EXTRASAMPLE.UNASSALPHA,):
        result[..., :3] *= 0.5
    assert np.abs(result - pixels).max() <= most / 255
