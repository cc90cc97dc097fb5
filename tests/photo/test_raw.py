"""Camera raw files: developed where the package for it is installed, else refused with advice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from denoise_cli.errors import ImageError
from denoise_cli.photo.files import find, read
from denoise_cli.photo.files.find import find_photos
from denoise_cli.photo.files.read import open_photo
from tests.conftest import Command

HEIGHT, WIDTH = 96, 128
BLACK, WHITE = 256, 4095
# The camera sees a third of red and half of blue as bright as green.
NEUTRAL = (1 / 3, 1.0, 1 / 2)


def write_dng(path: Path, orientation: int = 1) -> Path:
    """A DNG file of a grey ramp as a sensor with a Bayer mosaic (RGGB) sees it."""
    sensor = np.empty((HEIGHT, WIDTH))
    for row in range(2):
        for column in range(2):
            sensor[row::2, column::2] = ramp()[row::2, column::2] * NEUTRAL[row + column]
    counts = (BLACK + sensor * (WHITE - BLACK)).round().astype(np.uint16)
    # The camera's colours are those of sRGB times its sensitivities: from XYZ, in 1/10,000.
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    matrix = np.linalg.inv(to_xyz) * np.array(NEUTRAL)[:, None]
    tifffile.imwrite(
        path,
        counts,
        photometric=32803,
        extratags=[
            (33421, "H", 2, (2, 2), True),
            (33422, "B", 4, bytes([0, 1, 1, 2]), True),
            (50706, "B", 4, bytes([1, 4, 0, 0]), True),
            (50707, "B", 4, bytes([1, 1, 0, 0]), True),
            (50708, "s", 0, "Tester One", True),
            (50714, "H", 1, BLACK, True),
            (50717, "H", 1, WHITE, True),
            (50721, "2i", 9, rational(matrix.ravel()), True),
            (50728, "2I", 3, rational(NEUTRAL), True),
            (50778, "H", 1, 21, True),
            (271, "s", 0, "Tester", True),
            (272, "s", 0, "One", True),
            (315, "s", 0, "Anna", True),
            (274, "H", 1, orientation, True),
        ],
        metadata=None,
    )
    return path


def rational(values: object) -> list[int]:
    return [part for value in np.asarray(values) for part in (round(float(value) * 10000), 10000)]


def ramp() -> np.ndarray:
    """From dark to light, linear in [0, 1]."""
    return np.tile(np.linspace(0.02, 0.9, WIDTH), (HEIGHT, 1))


def to_srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_development_is_neutral(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    photo = open_photo(write_dng(tmp_path / "a.dng"))
    assert (photo.height, photo.width, photo.channels, photo.dtype) == (HEIGHT, WIDTH, 3, np.dtype(np.uint16))
    pixels = np.concatenate(list(photo.strips(40))) / 65535
    inner = pixels[8:-8, 8:-8]
    # The scene is grey, so the result is, and as bright as the curve of sRGB says.
    assert np.abs(inner - inner.mean(-1, keepdims=True)).max() < 0.01
    assert np.abs(inner.mean(-1) - to_srgb(ramp())[8:-8, 8:-8]).max() < 0.02
    assert any("LibRaw" in note for note in photo.notes)


def test_a_turned_photo_is_upright(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    photo = open_photo(write_dng(tmp_path / "a.dng", orientation=6))
    assert (photo.height, photo.width) == (WIDTH, HEIGHT)
    pixels = np.concatenate(list(photo.strips(1000)))
    # Turned clockwise, the dark left side is on top.
    assert pixels[:10].mean() < pixels[-10:].mean()


def test_the_result_is_a_tiff_with_the_camera_s_metadata(denoise: Command, tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    (tmp_path / "photos").mkdir()
    for name in ("photos/one.DNG", "two.nef"):
        write_dng(tmp_path / name, orientation=6)
    folder = denoise("denoise-image", "photos", "-o", "clean")
    assert folder.returncode == 0, folder.stderr
    alone = denoise("denoise-image", "two.nef")
    assert alone.returncode == 0, alone.stderr
    assert "LibRaw" in alone.stderr + alone.stdout
    for name in ("clean/one.tif", "two.denoised.tif"):
        with tifffile.TiffFile(tmp_path / name) as file:
            page = file.pages.first
            assert (page.dtype, page.shape) == (np.dtype(np.uint16), (WIDTH, HEIGHT, 3))
            assert [page.tags[tag].value for tag in (271, 272, 315, 274)] == ["Tester", "One", "Anna", 1]
            assert 50706 not in page.tags
    jpeg = denoise("denoise-image", "two.nef", "-o", "two.jpg")
    assert jpeg.returncode == 0, jpeg.stderr
    with Image.open(tmp_path / "two.jpg") as image:
        assert image.size == (HEIGHT, WIDTH)
        assert image.getexif()[271] == "Tester"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    path = write_dng(tmp_path / "a.dng")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ImageError):
        list(open_photo(path).strips(100))
    path.write_bytes(b"FUJIFILMCCD-RAW " + bytes(500))
    with pytest.raises(ImageError, match="LibRaw cannot read"):
        open_photo(path)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (read, find):
        monkeypatch.setattr(module, "can_develop", lambda: False)
    path = write_dng(tmp_path / "a.dng")
    with pytest.raises(ImageError, match="must be developed first") as caught:
        open_photo(path)
    assert "pip install rawpy" in caught.value.hint
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    found = find_photos([str(tmp_path)], recursive=False)
    assert ([photo.name for photo, _ in found.photos], found.raw) == (["b.png"], 1)
