"""BMP files of every kind, made by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.read import Photo, open_photo

HEIGHT, WIDTH = 5, 7


def picture(channels: int = 3, most: int = 255) -> np.ndarray:
    return np.random.default_rng(1).integers(0, most + 1, (HEIGHT, WIDTH, channels), np.uint8)


def rows_of(values: np.ndarray, bits: int) -> bytes:
    """Rows (H, W) of values of so many bits, each filled up to 4 bytes, the last first."""
    rows = b""
    for row in values[::-1]:
        if bits < 8:
            text = "".join(f"{value:0{bits}b}" for value in row)
            stored = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
        else:
            stored = row.astype({8: "u1", 16: "<u2", 32: "<u4"}[bits]).tobytes()
        rows += stored + bytes(-len(stored) % 4)
    return rows


def bmp(
    bits: int,
    pixels: bytes,
    *,
    coding: int = 0,
    extra: bytes = b"",
    palette: bytes = b"",
    size: int = 40,
    down: bool = False,
) -> bytes:
    height = -HEIGHT if down else HEIGHT
    head = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, bits, coding, 0, 11811, 11811, 0, 0)
    head += extra if size == 40 else extra.ljust(size - 40, b"\0")
    return b"BM" + struct.pack("<III", 0, 0, 14 + len(head) + len(palette)) + head + palette + pixels


def pixels_of(photo: Photo) -> np.ndarray:
    return np.concatenate(list(photo.strips(2)))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("grey", [False, True])
def test_palettes(bits: int, grey: bool) -> None:
    values = picture(1, (1 << bits) - 1)[..., 0]
    colours = np.random.default_rng(2).integers(0, 256, (1 << bits, 4), np.uint8)
    if grey:
        colours[:, 1] = colours[:, 2] = colours[:, 0]
    photo = open_photo(bmp(bits, rows_of(values, bits), palette=colours.tobytes()))
    assert photo.channels == (1 if grey else 3)
    assert (pixels_of(photo) == colours[values][..., 2::-1][..., : photo.channels]).all()
    assert photo.header.xres == pytest.approx(11.811)


@pytest.mark.parametrize(
    ("bits", "masks", "size"),
    [
        (16, (), 40),
        (16, (0xF800, 0x7E0, 0x1F), 40),
        (16, (0xF00, 0xF0, 0xF, 0xF000), 108),
        (32, (), 40),
        (32, (0xFF, 0xFF00, 0xFF0000), 40),
        (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF), 124),
        (32, (0x3FF00000, 0xFFC00, 0x3FF), 52),
    ],
)
@pytest.mark.parametrize("down", [False, True])
def test_masks(bits: int, masks: tuple[int, ...], size: int, down: bool) -> None:
    used = masks or {16: (0x7C00, 0x3E0, 0x1F), 32: (0xFF0000, 0xFF00, 0xFF)}[bits]
    channels, words = picture(len(used)), np.zeros((HEIGHT, WIDTH), np.int64)
    expected = np.empty(channels.shape)
    for channel, mask in enumerate(used):
        shift = (mask & -mask).bit_length() - 1
        most = mask >> shift
        value = channels[..., channel].astype(np.int64) * most // 255
        words |= value << shift
        expected[..., channel] = np.rint(value * 255 / most)
    stored = rows_of(words[::-1] if down else words, bits)
    extra = struct.pack(f"<{len(masks)}I", *masks)
    photo = open_photo(bmp(bits, stored, coding=3 if masks else 0, extra=extra, size=size, down=down))
    assert photo.alpha == (len(used) == 4)
    assert (pixels_of(photo) == expected).all()


def test_an_empty_alpha_channel_is_none() -> None:
    extra = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    photo = open_photo(
        bmp(32, rows_of(np.full((HEIGHT, WIDTH), 0x123456), 32), coding=3, extra=extra, size=108)
    )
    assert not photo.alpha
    assert (pixels_of(photo) == (0x12, 0x34, 0x56)).all()


def grey_palette(bits: int) -> bytes:
    return bytes(value for number in range(1 << bits) for value in (number, number, number, 0))


def test_runs() -> None:
    lines = [b"\7\x09", b"\3\1\4\2", b"\0\5abcde\0\2\3", b"\0\2\4\0\3\5", b"\7\xff"]
    data = bmp(8, b"\0\0".join(lines) + b"\0\1", coding=1, palette=grey_palette(8))
    rows = pixels_of(open_photo(data))[::-1, :, 0].tolist()
    assert rows == [[9] * 7, [1, 1, 1, 2, 2, 2, 2], [*b"abcde", 3, 3], [0, 0, 0, 0, 5, 5, 5], [255] * 7]
    lines = [b"\7\x12", b"\0\7\x12\x34\x56\x70", b"\7\x33", b"\7\x44", b"\7\x55"]
    data = bmp(4, b"\0\0".join(lines) + b"\0\1", coding=2, palette=grey_palette(4))
    rows = pixels_of(open_photo(data))[::-1, :, 0].tolist()
    assert rows[:2] == [[1, 2, 1, 2, 1, 2, 1], [1, 2, 3, 4, 5, 6, 7]]


@pytest.mark.parametrize(
    "runs", [b"\x08\1\0\1", b"\7\1\0\0" * 6, b"\7\1", b"\0\5abc", b"\0\2\xff\xff\1\1\0\1", b""]
)
def test_runs_that_do_not_fit(runs: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        open_photo(bmp(8, runs, coding=1, palette=grey_palette(8)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bmp(24, bytes(10)), "ends early"),
        (bmp(8, rows_of(picture(1)[..., 0], 8), palette=bytes(40)), "damaged"),  # beyond its palette
        (bmp(24, bytes(200), coding=4), "JPEG file in it, which is not supported"),
        (bmp(64, bytes(300)), "64 bits and coding 0, which is not supported"),
        (bmp(24, bytes(200), coding=11), "coding 11, which is not supported"),
        (bmp(32, bytes(200), coding=3, extra=struct.pack("<3I", 0xFF00FF, 0, 0)), "damaged"),
        (b"BM" + bytes(9), "damaged"),
        (b"BM" + bytes(99), "BMP"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        list(open_photo(data).strips(8))


def test_old_header() -> None:
    head = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
    rows = b"".join(row[:, ::-1].tobytes() + bytes(3) for row in picture()[::-1])
    data = b"BM" + struct.pack("<III", 0, 0, 26) + head + rows
    assert (pixels_of(open_photo(data)) == picture()).all()
