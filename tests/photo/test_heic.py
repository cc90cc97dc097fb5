"""HEIC files, as of iPhones: read where their decoder is installed, else refused with advice."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image
from PIL.ExifTags import Base

from denoise_cli.errors import ImageError
from denoise_cli.photo.files import heic
from denoise_cli.photo.files.encoding import can_write
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.paths import default_output
from denoise_cli.photo.files.read import open_photo
from tests.conftest import Command

# Written by libheif and x265 with 4:4:4 colours from `picture`, of 48 rows and 64 columns: with EXIF data
# that say it lies on its side, in 10 bits, with transparency, and its green channel alone.
FILES = {
    "turned": (
        "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAcltZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
        "ADRpbG9jAAAAAERAAAIAAQAAAAAB7QABAAAAAAAAAhEAAgAAAAAD/gABAAAAAAAAADYAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA"
        "AAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABCGlwcnAAAADnaXBjbwAAAHdodmNDAQQIAAAA"
        "njgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU"
        "1zcBDQYEAAADAGQAAAMABCBiAAEACEQBwXMYMAiQAAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNs"
        "YXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAABBwaXhpAAAAAAMICAgAAAAJaXJvdAMAAAAZaXBtYQAAAAAAAAAB"
        "AAEGgQIDBYSGAAAAGmlyZWYAAAAAAAAADmNkc2MAAgABAAEAAAJPbWRhdAAAAg0oAa8GOK4x1yPB1z4upvaNn9AblECZiBZb4xKs"
        "gBb1L0Rr2uux+2OOMxmHf4J9v8G9m90kjdrFsoQnpow0bstdVWC1tO01Yy0YJY6gOBCLIg7d6A/wnXsakPYw/USevcmTgwW49G5J"
        "V/cdqXVwot6ttbAeTCBI2c+pAhT7gIylZUxYJNFXSJ85HUn8RkT3AyWDqQ6E193fMK98usfd03B7mpNh6RxP+I3FZdFX1jakrPbx"
        "zkHyG0/yDNCtdXxkrLu3wJpc+vWM1RTmZw2htfOX4GFa9slr1XtUZg91pi1ho+9Weqf8A/3F2HImJquWpLPLQLmGs7gp3b6T/IHr"
        "oMH7lzzac5Mmeply5jWffPlx7rC9vEhdjmmDKTxlzXMQy5b3eLHAkj2DEB08UlcuQYPKiQCVYmvaC1KNaI+HCE2pB9wM63LCdVmg"
        "hERya/De9/o6okXnVZi+QDPVt2DfqNnqsHRb/P18XVE1Fk3PP6T8liCJbwDq0u8hOTX+sZCQRRXlL7Nb/Ey4zOluHpPHXma8dTiL"
        "XsPSok7vvYBh5ZHoqQ88Uf1/6Za33Xv3FJlZwpT7MlaIDChCzMCelylfcR+CN8Yz4sRUSPzpZhf/6FzsYWsDQomkFYm92zIAgXsm"
        "LqCGGFvzUM3ZafL93cS3KvQj97dVLXShOZOlEE3qX+qZUnXoCl32hyaUEk7f//8AAAAGRXhpZgAATU0AKgAAAAgAAgEPAAIAAAAG"
        "AAAAJgESAAMAAAABAAYAAAAAAABNYWtlcgA="
    ),
    "deep": (
        "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
        "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAYIAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
        "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQQIAAAAnDgAAAAAHvAA/P/6+gAADwNgAAEAF0ABDAH//wQIAAADAJw4AAAD"
        "AAAeugJAYQABAClCAQEECAAAAwCcOAAAAwAAHpAEECCbLdXJTXNwENBgQAAABkAAAAMAQmIAAQAIRAHBcxgwCJAAAAATY29scm5j"
        "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp"
        "eGkAAAAAAwoKCgAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAYptZGF0AAABfigBrwa4snAXKPjPWYHziuV84Ld+ppoZC7b5Nrwo"
        "SL8bln/zGm978tFLyY12M16BhBW8s4/c669HNumMUGpzcxmBKD0m3mlYM5viNvWxvD7bVwxMJv5HyHYDfsI3YcWrCbetmzTNVzEx"
        "LYjVwQpHWadr9YDE8/jcvzWIS/s5leUCwfyRGK1LFTd66RPVfcArS+EaL67V4r6gJYKmJqYfpw0qpYeRtdLD2rP61T1rB14dtxUI"
        "pTjQMs5v1dn6UupUiOXHVDT1BfwcB+7NyVzi3m58U0rjs9NesbyxZWG7ApTw6vgml4kS53a7DTgudQYiM6t67ZaCf2fzTgnQYZ+W"
        "5jhuBI7ZFsRT9xX+ALFQzVf+56RrmN0XHrPa7KhS+bmTqLPapwny7okElnoa58U9ZCNlh18oprD/Y7dQRPNzqlSS1o64M8gHHFAW"
        "jZQiHknAFnbQr2ZFJufSM+sMCxxN8KrSXS0TNjECUL8EBJ5RegjvK3QCD8Z01asZ6j9D1IA="
    ),
    "alpha": (
        "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAmxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
        "ADRpbG9jAAAAAERAAAIAAQAAAAACkAABAAAAAAAAAhEAAgAAAAAEoQABAAAAAAAAAHwAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA"
        "AAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAABq2lwcnAAAAGDaXBjbwAAAHdodmNDAQQIAAAA"
        "njgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU"
        "1zcBDQYEAAADAGQAAAMABCBiAAEACEQBwXMYMAiQAAAAE2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNs"
        "YXAAAABAAAAAAQAAADAAAAABAAAAAAAAAAL////wAAAAAgAAABBwaXhpAAAAAAMICAgAAABwaHZjQwEECAAAAJ/4AAAAAB7wAPz8"
        "+PgAAA8DYAABABdAAQwB//8ECAAAAwCf+AAAAwAAHroCQGEAAQAlQgEBBAgAAAMAn/gAAAMAAB7AggQWW6uSmubAgAAADIAAAAMA"
        "hGIAAQAGRAHBc8CJAAAADnBpeGkAAAAAAQgAAAAnYXV4QwAAAAB1cm46bXBlZzpoZXZjOjIwMTU6YXV4aWQ6MQAAAAAgaXBtYQAA"
        "AAAAAAACAAEFgQIDBYQAAgWGAweIhAAAABppcmVmAAAAAAAAAA5hdXhsAAIAAQABAAAClW1kYXQAAAINKAGvBjiuMdcjwdc+Lqb2"
        "jZ/QG5RAmYgWW+MSrIAW9S9Ea9rrsftjjjMZh3+Cfb/BvZvdJI3axbKEJ6aMNG7LXVVgtbTtNWMtGCWOoDgQiyIO3egP8J17GpD2"
        "MP1Enr3Jk4MFuPRuSVf3Hal1cKLerbWwHkwgSNnPqQIU+4CMpWVMWCTRV0ifOR1J/EZE9wMlg6kOhNfd3zCvfLrH3dNwe5qTYekc"
        "T/iNxWXRV9Y2pKz28c5B8htP8gzQrXV8ZKy7t8CaXPr1jNUU5mcNobXzl+BhWvbJa9V7VGYPdaYtYaPvVnqn/AP9xdhyJiarlqSz"
        "y0C5hrO4Kd2+k/yB66DB+5c82nOTJnqZcuY1n3z5ce6wvbxIXY5pgyk8Zc1zEMuW93ixwJI9gxAdPFJXLkGDyokAlWJr2gtSjWiP"
        "hwhNqQfcDOtywnVZoIREcmvw3vf6OqJF51WYvkAz1bdg36jZ6rB0W/z9fF1RNRZNzz+k/JYgiW8A6tLvITk1/rGQkEUV5S+zW/xM"
        "uMzpbh6Tx15mvHU4i17D0qJO772AYeWR6KkPPFH9f+mWt9179xSZWcKU+zJWiAwoQszAnpcpX3EfgjfGM+LEVEj86WYX/+hc7GFr"
        "A0KJpBWJvdsyAIF7Ji6ghhhb81DN2Wny/d3Etyr0I/e3VS10oTmTpRBN6l/qmVJ16Apd9ocmlBJO3///AAAAeCgBrgxwtJE3+ote"
        "B08FQ5TD7Msv/8k4u5rzts0X+AR+Ooz8PPmWp8GCrPfu5gEWHAsnAtIQFlR/QTfVBkeku+/MXLuy6qG6g3vsQErnIjvWLxlI9KWR"
        "X/GAGjip8/15YJwk23WqaCwH+q01nScBhadu3cUKnNhSXg=="
    ),
    "grey": (
        "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAXVtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
        "ACJpbG9jAAAAAERAAAEAAQAAAAABmQABAAAAAAAAAIwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
        "AAAAAAABAAAA9WlwcnAAAADVaXBjbwAAAHBodmNDAQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQIAAADAJ/4AAAD"
        "AAAeugJAYQABACVCAQEECAAAAwCf+AAAAwAAHsCCBBZbq5Ka5sCAAAAMgAAAAwCEYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQAN"
        "AAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAADnBpeGkAAAAA"
        "AQgAAAAYaXBtYQAAAAAAAAABAAEFgQIDBYQAAACUbWRhdAAAAIgoAa4McLQ8L5FHhPCow+keHiiSVPnVNNoF7znGXn/F2/yzh/O+"
        "9o2pGubJmmZM0jF1/T39rUj3ELX1aIq94KHYzcN80Y2EQ34H28EMXfol+cR97ced6Qw/F4jOU2Sr6rsd7CRsMkTmuUfH8bMNUnen"
        "9jxPVhaLNeBxzGqz8x1eE+1SlIAnqC+A"
    ),
}


def picture() -> np.ndarray:
    y, x = np.mgrid[:48, :64].astype(np.float32)
    return np.stack([x * 4, y * 5, 255 - (x + y) * 2], -1).clip(0, 255).astype(np.uint8)


def write(path: Path, name: str) -> Path:
    path.write_bytes(base64.b64decode(FILES[name]))
    return path


def read(path: Path) -> np.ndarray:
    return np.concatenate(list(open_photo(path).strips(20)))


@pytest.fixture(autouse=True)
def decoder() -> None:
    pytest.importorskip("pi_heif")


def test_pixels_lie_as_they_are_to_be_seen(tmp_path: Path) -> None:
    pixels = read(write(tmp_path / "a.heic", "turned"))
    assert pixels.shape == (64, 48, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.rot90(picture(), -1)).max() <= 4


def test_ten_bits_fill_sixteen(tmp_path: Path) -> None:
    pixels = read(write(tmp_path / "a.heic", "deep"))
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - picture()).max() <= 2
    assert pixels.max() > 65_400  # White of 10 bits is white of 16.


def test_transparency_and_grey(tmp_path: Path) -> None:
    photo = open_photo(write(tmp_path / "a.heif", "alpha"))
    pixels = np.concatenate(list(photo.strips(20)))
    assert photo.alpha
    assert np.abs(pixels[..., 3].astype(int) - 4 * np.arange(64)).max() <= 4
    assert np.abs(pixels[..., :3].astype(int) - picture()).max() <= 4
    grey = open_photo(write(tmp_path / "b.heif", "grey"))
    assert grey.channels == 1
    assert np.abs(next(grey.strips(48)).astype(int)[..., 0] - picture()[..., 1]).max() <= 2


@pytest.mark.parametrize("name", ["photo.heic", "photo.HEIF", "photo"])
def test_the_result_is_a_jpeg_file_unless_heic_can_be_written(
    name: str, denoise: Command, tmp_path: Path
) -> None:
    if can_write(FORMATS["heic"]):
        pytest.skip("this libvips writes heic")
    source = write(tmp_path / name, "turned")
    assert default_output(source, None) == tmp_path / "photo.denoised.jpg"
    assert denoise("denoise-image", str(source)).returncode == 0
    with Image.open(tmp_path / "photo.denoised.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (48, 64))
        exif = image.getexif()
    # The pixels were turned already.
    assert (exif[Base.Make], exif.get(Base.Orientation, 1)) == ("Maker", 1)


@pytest.mark.parametrize("name", ["deep", "alpha"])
def test_what_jpeg_cannot_hold_becomes_avif(name: str, denoise: Command, tmp_path: Path) -> None:
    if can_write(FORMATS["heic"]) or not can_write(FORMATS["avif"]):
        pytest.skip("this libvips writes heic, or no avif")
    source = write(tmp_path / "a.heic", name)
    assert denoise("denoise-image", str(source)).returncode == 0
    photo = open_photo(tmp_path / "a.denoised.avif")
    assert (photo.header.get("bits-per-sample"), photo.alpha) == (
        (10, False) if name == "deep" else (8, True)
    )


def test_hdr_becomes_avif(tmp_path: Path) -> None:
    if can_write(FORMATS["heic"]) or not can_write(FORMATS["avif"]):
        pytest.skip("this libvips writes heic, or no avif")
    source = write(tmp_path / "a.heic", "turned")
    assert default_output(source, None).suffix == ".jpg"
    # BT.2020 and the perceptual quantiser.
    source.write_bytes(source.read_bytes().replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0\x10"))
    assert default_output(source, None).suffix == ".avif"


def test_narrow_grey_is_widened(tmp_path: Path) -> None:
    full = read(write(tmp_path / "a.heic", "grey")).astype(float)
    path = write(tmp_path / "b.heic", "grey")
    path.write_bytes(path.read_bytes().replace(b"nclx\0\1\0\x0d\0\6\x80", b"nclx\0\1\0\x0d\0\6\0"))
    assert np.abs(read(path) - ((full - 16) * 255 / 219).clip(0, 255)).max() <= 0.5


def test_other_codecs_are_left_to_libvips(tmp_path: Path) -> None:
    """HEIF files hold AV1 too, which the package does not decode."""
    pixels = np.full((32, 32, 3), 90, np.uint8)
    data = pyvips.Image.new_from_array(pixels).heifsave_buffer(compression="av1", effort=0)
    path = tmp_path / "a.heif"
    path.write_bytes(data.replace(b"avif", b"mif1", 2))
    assert open_photo(path).format == FORMATS["heic"]
    assert np.abs(read(path).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("ending", ["png", "tif", "avif"])
def test_depth_is_kept_in_other_formats(ending: str, denoise: Command, tmp_path: Path) -> None:
    source = write(tmp_path / "a.heic", "deep")
    assert denoise("denoise-image", str(source), "-o", str(tmp_path / f"b.{ending}")).returncode == 0
    pixels = read(tmp_path / f"b.{ending}")
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - picture()).mean() < 2


def test_a_folder_of_them(denoise: Command, tmp_path: Path) -> None:
    for name in ("alpha", "grey"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write(tmp_path / "in" / f"{name}.heic", name)
    (tmp_path / "in" / "broken.heic").write_bytes(base64.b64decode(FILES["deep"])[:-200])
    done = denoise("denoise-image", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--format", "png")
    assert done.returncode == 1
    assert "broken.heic: a damaged HEIC file" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["alpha.png", "grey.png"]


@pytest.mark.parametrize("cut", [100, 400, 700])
def test_damage_is_said(cut: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.heic", "deep")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ImageError, match=r"a\.heic (is a damaged|is not)"):
        read(path)


@pytest.mark.parametrize(
    ("name", "place", "byte"),
    [
        ("turned", b"Exif", 0xC5),  # The decoder crashed: the type of an item is no text.
        ("deep", b"pitm\0\0\0\0", 0x71),  # There is no first picture.
        ("deep", b"hdlr\0\0\0\0", 0x69),
    ],
)
def test_what_crashes_the_decoder_crashes_nothing_else(
    name: str, place: bytes, byte: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.heic", name)
    data = bytearray(path.read_bytes())
    data[data.index(place)] = byte
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.heic"):
        read(path)


def test_a_decoder_that_writes_over_its_memory_does_so_elsewhere(tmp_path: Path) -> None:
    """More bits are announced than the picture has; what becomes of it is chance."""
    path = write(tmp_path / "a.heic", "grey")
    path.write_bytes(path.read_bytes().replace(b"\xf8\xf8\0\0\x0f", b"\xf9\xf8\0\0\x0f"))
    with suppress(ImageError):
        assert read(path).ndim == 3


def test_a_decoder_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    program.write_text("import time; time.sleep(100)")
    monkeypatch.setattr("denoise_cli.photo.files.heic_process.__file__", str(program))
    monkeypatch.setattr(heic, "_SECONDS", 0.5)
    with pytest.raises(ImageError, match=r"took more than 0\.5 s"):
        read(write(tmp_path / "a.heic", "deep"))


def test_a_decoder_that_ends_before_it_has_read_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ends.py"
    program.write_text("raise SystemExit('no memory')")
    monkeypatch.setattr("denoise_cli.photo.files.heic_process.__file__", str(program))
    path = write(tmp_path / "a.heic", "deep")
    path.write_bytes(path.read_bytes() + bytes(1 << 20))  # More than a pipe holds.
    with pytest.raises(ImageError, match="no memory"):
        read(path)


def test_size_is_checked_before_decoding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.heic", "deep")
    head, rest = path.read_bytes().split(b"ispe\0\0\0\0", 1)
    path.write_bytes(head + b"ispe\0\0\0\0" + 2 * (60_000).to_bytes(4) + rest[8:])
    with pytest.raises(ImageError, match="which is too large"):
        open_photo(path)


def test_without_the_decoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(heic, "can_decode", lambda: False)
    path = write(tmp_path / "a.heic", "deep")
    if can_write(FORMATS["heic"]):
        assert read(path).shape == (48, 64, 3)  # The system's libvips has a decoder of its own.
        return
    with pytest.raises(ImageError, match="nothing that decodes") as caught:
        read(path)
    assert "pip install pi-heif" in caught.value.hint
