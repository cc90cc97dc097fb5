"""Every format, depth and channel count survives an identity network: pixels and metadata.

Files are made and checked with Pillow, tifffile and by hand, not with the library that the
program reads and writes with (except HEIC and AVIF, which only that one knows here).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from denoise_cli.errors import ImageError, UsageError
from denoise_cli.photo.denoise_file import DenoiseResult, Settings, denoise_file
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.read import open_photo
from denoise_cli.photo.runtimes.load import PhotoDenoiser

HEIGHT, WIDTH = 70, 93
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'


def make_pixels(channels: int, dtype: type) -> np.ndarray:
    """A smooth picture with a little texture, (H, W, channels)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [(np.sin(x / (9 + c)) + np.cos(y / (7 + c)) + 2) / 4 for c in range(channels)]
    pixels = np.stack(planes, -1) + np.random.default_rng(0).normal(0, 0.01, (HEIGHT, WIDTH, channels))
    pixels = pixels.clip(0, 1)
    return (
        pixels.astype(dtype) if dtype == np.float32 else (pixels * np.iinfo(dtype).max).round().astype(dtype)
    )


def run(source: Path, output: Path, identity: PhotoDenoiser, **settings: Any) -> DenoiseResult:
    controls = settings.pop("controls", Controls())
    return denoise_file(source, output, identity, Settings(controls, **settings), lambda share: None)


def write_png16(path: Path, pixels: np.ndarray) -> None:
    """A 16-bit PNG, which Pillow cannot write in colour."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, -1)
    data = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def read_png16(path: Path) -> np.ndarray:
    """The pixels of a 16-bit PNG, which Pillow would cut to 8 bits."""
    data = path.read_bytes()
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    assert bits == 16
    body, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            body += data[place + 8 : place + 8 + length]
        place += 12 + length
    step = 2 * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, -1).astype(np.int64)
    result = np.zeros((height + 1, width * step + step), np.int64)
    for y, row in enumerate(rows, start=1):
        for x in range(step, width * step + step):
            left, up, corner = result[y, x - step], result[y - 1, x], result[y - 1, x - step]
            nearest = min(
                (abs(up - corner), 0, left),
                (abs(left - corner), 1, up),
                (abs(left + up - 2 * corner), 2, corner),
            )[2]
            guess = (0, left, up, (left + up) // 2, nearest)[row[0]]
            result[y, x] = (row[x - step + 1] + guess) % 256
    return result[1:, step:].astype(np.uint8).view(">u2").reshape(height, width, -1).astype(np.uint16)


def read_with_pillow(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_8(channels: int, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(channels, np.uint8)
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a.png")
    run(tmp_path / "a.png", tmp_path / "b.png", identity)
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    assert (read_with_pillow(tmp_path / "b.png") == pixels).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_16(channels: int, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(channels, np.uint16)
    write_png16(tmp_path / "a.png", pixels)
    run(tmp_path / "a.png", tmp_path / "b.png", identity)
    result = read_png16(tmp_path / "b.png")
    assert result.dtype == np.uint16
    assert (result == pixels).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff(channels: int, dtype: Any, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(channels, dtype)
    photometric = "rgb" if channels > 2 else "minisblack"
    extra = ["unassalpha"] if channels in {2, 4} else None
    planar = "contig" if channels > 1 else None
    stored = pixels if channels > 1 else pixels[..., 0]
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric=photometric, extrasamples=extra, planarconfig=planar
    )
    run(tmp_path / "a.tif", tmp_path / "b.tif", identity)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        result = file.asarray().reshape(HEIGHT, WIDTH, -1)
        assert len(file.pages) == 1
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.photometric == tifffile.PHOTOMETRIC[photometric.upper()]
    assert result.dtype == dtype
    assert np.abs(result.astype(float) - pixels).max() <= (1e-6 if dtype == np.float32 else 0)


def test_what_a_floating_point_file_loses_is_told(identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(3, np.float32)
    for name, value, extra in (("fits", 1.0, False), ("bright", 1.01, True), ("hole", np.nan, True)):
        # In the middle, so that it is found wherever it is.
        pixels[HEIGHT // 2, WIDTH // 2, 1] = value
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="rgb")
        result = run(tmp_path / f"{name}.tif", tmp_path / f"{name}.out.tif", identity)
        assert ("values outside 0 to 1 were cut off" in result.notes) == extra


@pytest.mark.filterwarnings("error")
def test_bmp_of_ninety_megapixels(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_000), 1).save(tmp_path / "a.bmp")
    photo = open_photo(tmp_path / "a.bmp")
    assert (photo.height, photo.width, photo.channels) == (9_000, 10_000, 1)
    with pytest.raises(ImageError, match="too large"):
        open_photo(tmp_path / "a.bmp", max_pixels=80)


@pytest.mark.parametrize("channels", [1, 3])
def test_bmp(channels: int, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(channels, np.uint8)
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a.bmp", dpi=(300, 300))
    run(tmp_path / "a.bmp", tmp_path / "b.bmp", identity)
    assert (read_with_pillow(tmp_path / "b.bmp") == pixels).all()
    with Image.open(tmp_path / "b.bmp") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(mode: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(len(mode), np.uint8)
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a.jpg", quality=97, subsampling=0)
    run(tmp_path / "a.jpg", tmp_path / "b.jpg", identity)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == mode
    difference = read_with_pillow(tmp_path / "b.jpg").astype(float) - read_with_pillow(tmp_path / "a.jpg")
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_lossless(mode: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(len(mode), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True, exact=True)
    run(tmp_path / "a.webp", tmp_path / "b.webp", identity, quality=100)
    assert (read_with_pillow(tmp_path / "b.webp") == pixels).all()


@pytest.mark.parametrize("name", ["avif", "heic"])
def test_avif_and_heic(name: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(3, np.uint8)
    path, result = tmp_path / f"a.{name}", tmp_path / f"b.{name}"
    try:
        pyvips.Image.new_from_array(pixels).heifsave(
            str(path), lossless=True, compression="av1" if name == "avif" else "hevc"
        )
    except pyvips.Error:
        pytest.skip(f"this libvips does not write {name}")
    before = np.concatenate(list(open_photo(path).strips(64)))
    run(path, result, identity, quality=100)
    photo = open_photo(result)
    assert photo.format == FORMATS[name]
    assert np.abs(np.concatenate(list(photo.strips(64))).astype(float) - before).max() <= 2


@pytest.mark.parametrize(
    ("suffix", "result"),
    [("png", "png"), ("jpg", "jpg"), ("tif", "tif"), ("webp", "webp"), ("tif", "jpg"), ("jpg", "tif")],
)
def test_metadata_is_kept(suffix: str, result: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    source, output = tmp_path / f"a.{suffix}", tmp_path / f"b.{result}"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn right
    exif[0x010F] = "A camera maker"
    exif.get_ifd(0x8769)[0x829A] = IFDRational(1, 125)  # exposure time
    exif.get_ifd(0x8825)[1] = "N"  # GPS latitude reference
    stored = Image.Exif()
    stored.load(exif.tobytes())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    extra: dict[str, Any] = {} if suffix == "webp" else {"dpi": (240, 240)}
    if suffix in {"jpg", "webp"}:
        extra["xmp"] = XMP
    Image.fromarray(make_pixels(3, np.uint8)).save(source, exif=stored, icc_profile=profile, **extra)
    run(source, output, identity)
    with Image.open(output) as image:
        found = image.getexif()
        # Turned by the tag, as the original; Pillow turns TIFF itself.
        assert image.size == ((HEIGHT, WIDTH) if result == "tif" else (WIDTH, HEIGHT))
        assert found[0x0112] == 6
        assert found[0x010F] == "A camera maker"
        assert float(found.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 125)
        assert found.get_ifd(0x8825)[1] == "N"
        assert image.info["icc_profile"] == profile
        if "dpi" in extra:
            assert tuple(map(float, image.info["dpi"])) == pytest.approx((240, 240), rel=0.01)
        if "xmp" in extra:
            assert image.info["xmp"] == XMP


def test_wide_gamut_profile_is_kept_and_the_network_sees_the_encoded_values(
    identity: PhotoDenoiser, tmp_path: Path
) -> None:
    p3 = pyvips.Image.new_from_array(make_pixels(3, np.uint8)).icc_transform("p3", input_profile="srgb")
    p3.pngsave(str(tmp_path / "a.png"))
    run(tmp_path / "a.png", tmp_path / "b.png", identity)
    with Image.open(tmp_path / "a.png") as before, Image.open(tmp_path / "b.png") as after:
        assert before.info["icc_profile"] == after.info["icc_profile"]
        assert (np.asarray(before) == np.asarray(after)).all()


def test_cmyk_is_converted_and_said_so(identity: PhotoDenoiser, tmp_path: Path) -> None:
    Image.fromarray(make_pixels(3, np.uint8)).convert("CMYK").save(tmp_path / "a.jpg", quality=97)
    result = run(tmp_path / "a.jpg", tmp_path / "b.jpg", identity)
    assert any("CMYK" in note for note in result.notes)
    with Image.open(tmp_path / "b.jpg") as image, Image.open(tmp_path / "a.jpg") as original:
        assert image.mode == "RGB"
        assert "icc_profile" not in image.info
        # Another conversion than Pillow's, but the same picture.
        likeness = np.corrcoef(np.asarray(image).ravel(), np.asarray(original.convert("RGB")).ravel())
        assert likeness[0, 1] > 0.95


def test_palette_is_converted_and_said_so(identity: PhotoDenoiser, tmp_path: Path) -> None:
    palette = Image.fromarray(make_pixels(3, np.uint8)).quantize(64)
    palette.save(tmp_path / "a.png")
    result = run(tmp_path / "a.png", tmp_path / "b.png", identity)
    assert any("palette" in note for note in result.notes)
    assert (read_with_pillow(tmp_path / "b.png") == np.asarray(palette.convert("RGB"))).all()


def test_several_frames_are_refused(identity: PhotoDenoiser, tmp_path: Path) -> None:
    frames = [Image.fromarray(make_pixels(3, np.uint8) // n) for n in (1, 2)]
    for name in ("a.tif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(ImageError, match="only single pictures"):
            run(tmp_path / name, tmp_path / "out.png", identity)
    assert not (tmp_path / "out.png").exists()


def test_format_and_bits_on_request(identity: PhotoDenoiser, tmp_path: Path) -> None:
    pixels = make_pixels(4, np.uint16)
    write_png16(tmp_path / "a.png", pixels)
    run(tmp_path / "a.png", tmp_path / "b.png", identity, bits=8)
    assert np.abs(read_with_pillow(tmp_path / "b.png") - pixels / 257).max() <= 0.5
    result = run(tmp_path / "a.png", tmp_path / "c.jpg", identity)
    assert read_with_pillow(tmp_path / "c.jpg").shape == (HEIGHT, WIDTH, 3)
    assert [word in " ".join(result.notes) for word in ("transparency", "8 bits")] == [True, True]
    with pytest.raises(UsageError, match="JPEG files hold 8 bits"):
        run(tmp_path / "a.png", tmp_path / "d.jpg", identity, bits=16)


def test_the_content_decides_not_the_name(identity: PhotoDenoiser, tmp_path: Path) -> None:
    Image.fromarray(make_pixels(3, np.uint8)).save(tmp_path / "a.png", format="JPEG")
    run(tmp_path / "a.png", tmp_path / "b.png", identity)
    with Image.open(tmp_path / "b.png") as image:
        assert image.format == "PNG"
