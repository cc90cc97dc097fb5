"""What is no plain picture: camera raw files, animations, tiles of AVIF files, pipes, odd names."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.photo.files import find, read
from denoise_cli.photo.files.find import find_photos
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.paths import default_output
from denoise_cli.photo.files.raw import is_raw_name
from denoise_cli.photo.files.read import open_photo
from tests.conftest import Command


def smooth(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.stack([x * 3, y * 3, (x + y) * 2], -1).astype(np.uint8)


def saved(kind: str, *frames: np.ndarray) -> bytes:
    file = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in frames]
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(file, kind, **more)
    return file.getvalue()


def box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def inside(data: bytes, *path: bytes) -> bytes:
    """The content of a box in boxes."""
    place = 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == path[0]:
            body = data[place + (12 if kind == b"meta" else 8) : place + size]
            return body if len(path) == 1 else inside(body, *path[1:])
        place += size
    raise AssertionError(path)


def grid_avif(tile: bytes, rows: int, columns: int, *, hidden: bool, whole: bool = True) -> bytes:
    """An AVIF file of 64x64 tiles; not `whole`: of separate pictures."""
    properties = (b"meta", b"iprp", b"ipco")
    config, bits = (inside(tile, *properties, kind) for kind in (b"av1C", b"pixi"))
    pixels, count = inside(tile, b"mdat"), rows * columns
    width, height = 64 * columns, 64 * rows
    numbers = range(2, count + 2)

    def entry(number: int, kind: bytes) -> bytes:
        shown = struct.pack(">HH4sB", number, 0, kind, 0)
        return full(b"infe", shown, version=2, flags=int(hidden and kind != b"grid"))

    items = full(
        b"iinf",
        struct.pack(">H", count + 1),
        entry(1, b"grid"),
        *[entry(number, b"av01") for number in numbers],
    )
    tiles = struct.pack(f">HH{count}H", 1, count, *numbers)
    references = full(b"iref", box(b"dimg" if whole else b"cdsc", tiles))
    sizes = [full(b"ispe", struct.pack(">II", *size)) for size in ((width, height), (64, 64))]
    listed = box(b"ipco", *sizes, box(b"av1C", config), box(b"pixi", bits))
    uses = [struct.pack(">HBBB", 1, 2, 1, 4)] + [struct.pack(">HBBBB", n, 3, 2, 0x83, 4) for n in numbers]
    usage = full(b"ipma", struct.pack(">I", count + 1), *uses)
    layout = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    head = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")

    def meta(place: int) -> bytes:
        places = [struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(layout))]
        places += [struct.pack(">HHHHII", n, 0, 0, 1, place, len(pixels)) for n in numbers]
        return full(
            b"meta",
            full(b"hdlr", struct.pack(">I4s13x", 0, b"pict")),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", struct.pack(">BBH", 0x44, 0, count + 1), *places, version=1),
            items,
            references,
            box(b"iprp", listed, usage),
            box(b"idat", layout),
        )

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", pixels)


@pytest.mark.parametrize("hidden", [False, True])
def test_tiles_of_an_avif_file_are_one_picture(hidden: bool) -> None:
    tile = saved("AVIF", smooth())
    photo = open_photo(grid_avif(tile, 2, 3, hidden=hidden))
    whole = np.concatenate(list(photo.strips(50)))
    assert whole.shape == (128, 192, 3)
    part = np.concatenate(list(open_photo(tile).strips(64)))
    assert np.abs(whole.astype(int) - np.tile(part, (2, 3, 1))).max() <= 2


def test_several_pictures_in_an_avif_file() -> None:
    with pytest.raises(ImageError, match="holds 7 pictures"):
        open_photo(grid_avif(saved("AVIF", smooth()), 2, 3, hidden=False, whole=False))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_animations(kind: str) -> None:
    with pytest.raises(ImageError, match="only single pictures can be denoised"):
        open_photo(saved(kind, smooth(), smooth() // 2))


def test_an_animation_that_says_so_late() -> None:
    data = saved("PNG", smooth(), smooth() // 2)
    text = b"tEXt" + b"a\0" + b"b" * 70_000
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    with pytest.raises(ImageError, match="animation"):
        open_photo(data[:33] + chunk + data[33:])


@pytest.fixture
def no_libraw(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the package that develops raw files is not installed."""
    for module in (read, find):
        monkeypatch.setattr(module, "can_develop", lambda: False)


def raw_tiff(path: Path, *, version: bool = False, sensor: str = "cfa", below: bool = True) -> Path:
    """A file as cameras write it: a preview, and what the sensor saw below it or after it."""
    extra = [(50706, "B", 4, bytes([1, 4, 0, 0]), True)] if version else []
    pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True)]
    with tifffile.TiffWriter(path) as file:
        file.write(smooth(), photometric="rgb", subfiletype=1, subifds=int(below), extratags=extra)
        sensed = np.zeros((80, 80) if sensor == "cfa" else (80, 80, 3), np.uint16)
        file.write(sensed, photometric=sensor, extratags=pattern if sensor == "cfa" else [])
    return path


@pytest.mark.usefixtures("no_libraw")
@pytest.mark.parametrize("name", ["a.dng", "a.tif", "a"])
@pytest.mark.parametrize(
    "options",
    [
        {"version": True},
        {},
        {"below": False},
        {"sensor": "linear_raw"},
        {"sensor": "linear_raw", "below": False},
    ],
)
def test_raw_files_by_their_directories(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="camera raw file, which must be developed first"):
        open_photo(raw_tiff(tmp_path / name, **options))


@pytest.mark.usefixtures("no_libraw")
@pytest.mark.parametrize("name", ["a.NEF", "a.arw", "a.Dng", "a.pef"])
def test_raw_files_by_their_names(name: str, tmp_path: Path) -> None:
    """A plain TIFF file of this name is a preview."""
    tifffile.imwrite(tmp_path / name, smooth(), photometric="rgb")
    with pytest.raises(ImageError, match="camera raw"):
        open_photo(tmp_path / name)
    (tmp_path / name).write_bytes(b"no picture at all")
    with pytest.raises(ImageError, match="camera raw"):
        open_photo(tmp_path / name)
    assert is_raw_name(tmp_path / name)


@pytest.mark.usefixtures("no_libraw")
@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FOVb\2\0\2\0",
        b"\0MRM\0\0\0\0",
        b"II\x1a\0\0\0HEAPCCDR",
    ],
)
def test_raw_files_by_their_first_bytes(head: bytes) -> None:
    with pytest.raises(ImageError, match="camera raw"):
        open_photo(head + bytes(100))


def test_a_picture_whose_name_is_that_of_a_raw_file(tmp_path: Path) -> None:
    assert not is_raw_name(Path("a.tif"))
    (tmp_path / "a.dng").write_bytes(saved("JPEG", smooth()))
    assert open_photo(tmp_path / "a.dng").format == FORMATS["jpeg"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "BMP"])
def test_pipes(kind: str, tmp_path: Path) -> None:
    """Read whole, as they have no second time; `<(cat a.png)` is one."""
    data = saved(kind, smooth())
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    path = Path(f"/dev/fd/{reader}")
    with pytest.raises(UsageError, match="its result has no name"):
        default_output(path, None)
    photo = open_photo(path)
    os.close(reader)
    for _ in range(2):
        assert np.concatenate(list(photo.strips(20))).shape == (64, 64, 3)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_data_that_ends_too_soon(progressive: bool) -> None:
    """Not at the end of the file, where libvips notices, but at a marker in the middle of the pixels."""
    file = io.BytesIO()
    Image.fromarray(smooth(256)).save(file, "JPEG", progressive=progressive)
    data = file.getvalue()
    middle = (data.index(b"\xff\xda") + len(data)) // 2
    with pytest.raises(ImageError, match="damaged JPEG"):
        list(open_photo(data[:middle] + b"\xff\xd9" + data[middle + 2 :]).strips(32))


def test_jpeg_oddities_that_do_not_matter() -> None:
    data = saved("JPEG", smooth())
    expected = np.concatenate(list(open_photo(data).strips(10)))
    strange = bytearray(data)
    scan = data.index(b"\xff\xda")
    strange[scan + int.from_bytes(data[scan + 2 : scan + 4], "big")] = 7  # coefficients of a progressive scan
    odd = [
        data[:-2] + bytes(99) + data[-2:],  # bytes before the end
        data + b"a trailer",
        bytes(strange),
        data[:2] + b"\xff\xfe\0\4ab" + data[2:],
    ]
    for changed in odd:
        assert (np.concatenate(list(open_photo(changed).strips(10))) == expected).all()


@pytest.mark.usefixtures("no_libraw")
def test_raw_files_in_a_folder_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for name in ("1.NEF", "2.cr3", ".3.NEF"):
        (folder / name).touch()
    with pytest.raises(ImageError, match=r"no photos in .* but 2 camera raw files"):
        find_photos([str(folder)], recursive=False)
    (folder / "1.jpg").write_bytes(saved("JPEG", smooth()))
    os.mkfifo(folder / "2.jpg")
    found = find_photos([str(folder)], recursive=False)
    assert [path.name for path, _ in found.photos] == ["1.jpg"]
    assert found.raw == 2


def test_a_pipe_is_compared_with_its_result(denoise: Command, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, saved("PNG", smooth()))
    os.close(writer)
    done = denoise("denoise-image", f"/dev/fd/{reader}", "-o", "a.png", "--side-by-side")
    os.close(reader)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.compare.png").exists()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a", "GIF"),
        (b"\xff\x0a\0", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"P6\n1 1\n", "PNM"),
        (b"\xff\xd8\xff\xf7\0\x0b\x08", r"JPEG.*\(JPEG-LS\)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI", "PNG file, which is not supported"),
        (b"some text", "not a picture that can be read"),
    ],
)
def test_other_files_are_named(head: bytes, name: str) -> None:
    with pytest.raises(ImageError, match=name):
        open_photo(head + bytes(40))


def test_colours_of_jpeg_in_tiff() -> None:
    """Stored as YCbCr with half the colour resolution, shown as RGB."""
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, "TIFF", compression="jpeg", quality=95)
    photo = open_photo(file.getvalue())
    assert np.abs(np.concatenate(list(photo.strips(9))).astype(int) - smooth()).mean() < 3


def test_devices() -> None:
    with pytest.raises(ImageError, match="is a device or a terminal"):
        open_photo(Path("/dev/zero"))


def test_a_name_without_an_ending(tmp_path: Path) -> None:
    for kind, suffix in (("JPEG", ".jpg"), ("TIFF", ".tif"), ("BMP", ".bmp")):
        (tmp_path / "photo").write_bytes(saved(kind, smooth()))
        assert default_output(tmp_path / "photo", None) == tmp_path / f"photo.denoised{suffix}"
    assert default_output(tmp_path / "photo", FORMATS["png"]).name == "photo.denoised.png"
