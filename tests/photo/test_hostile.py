"""Files that are broken, absurd or oddly named: a clear error or a right result, never a partial file."""

from __future__ import annotations

import io
import os
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from denoise_cli.errors import ImageError, OutputExists, UnknownName, UsageError, WeightsError
from denoise_cli.photo.denoise_file import DenoiseResult, Settings, denoise_file
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.files.formats import show
from denoise_cli.photo.files.paths import plan_outputs
from denoise_cli.photo.files.read import open_photo
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "AVIF")


def picture(kind: str, size: int = 40) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=kind)
    return file.getvalue()


def run(source: Path | bytes, output: Path, denoiser: PhotoDenoiser, **settings: Any) -> DenoiseResult:
    return denoise_file(source, output, denoiser, Settings(Controls(), **settings), lambda share: None)


SAMPLES = {kind: picture(kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files(kind: str, data: st.DataObject, identity: PhotoDenoiser, tmp_path: Path) -> None:
    """Cut, flipped, overwritten: either a picture comes out, or an ImageError and no file."""
    damaged = bytearray(SAMPLES[kind])
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            # Damage to the header is the most interesting.
            last = data.draw(st.sampled_from([63, len(damaged) - 1]))
            damaged[data.draw(st.integers(0, min(last, len(damaged) - 1)))] = data.draw(st.integers(0, 255))
    output = tmp_path / "out.png"
    try:
        run(bytes(damaged), output, identity)
    except ImageError as error:
        assert len(str(error)) < 300
    else:
        assert output.stat().st_size > 0
    output.unlink(missing_ok=True)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200), magic=st.sampled_from([s[:16] for s in SAMPLES.values()] + [b""]))
def test_random_bytes(data: bytes, magic: bytes) -> None:
    with pytest.raises(ImageError):
        list(open_photo(magic + data).strips(64))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "AVIF"])
def test_files_that_end_early(kind: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(SAMPLES[kind][: len(SAMPLES[kind]) * 2 // 3])
    with pytest.raises(ImageError, match=r"a\.\w+"):
        run(path, tmp_path / "out.png", identity)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_absurd_dimensions(identity: PhotoDenoiser, tmp_path: Path) -> None:
    """A tiny file that says it has 10 gigapixels is refused before anything is decoded."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(300_001))), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    with pytest.raises(ImageError, match="too large"):
        run(b"\x89PNG\r\n\x1a\n" + chunks, tmp_path / "out.png", identity)


def test_no_picture_at_all(identity: PhotoDenoiser, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "empty.png").touch()
    for name, reason in (
        ("text.png", "not a picture"),
        ("empty.png", "is empty"),
        ("missing.png", "No such file"),
        (".", "is a folder"),
    ):
        with pytest.raises(ImageError, match=reason):
            run(tmp_path / name, tmp_path / "out.png", identity)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "name", ["two\nlines.png", "[n=3].png", "ümlaut €.png", "-dash.png", os.fsdecode(b"\xff\xfe.png")]
)
def test_odd_names(name: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    source, output = tmp_path / name, tmp_path / f"out-{name}"
    source.write_bytes(SAMPLES["PNG"])
    run(source, output, identity)
    with Image.open(output) as after, Image.open(source) as before:
        assert (np.asarray(after) == np.asarray(before)).all()
    shown = show(source)
    assert shown.isprintable()
    shown.encode()


def test_existing_results_are_kept(identity: PhotoDenoiser, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    output.write_bytes(b"precious")
    with pytest.raises(OutputExists):
        run(SAMPLES["PNG"], output, identity)
    assert output.read_bytes() == b"precious"
    run(SAMPLES["PNG"], output, identity, overwrite=True)
    assert output.read_bytes().startswith(b"\x89PNG")


def test_the_photo_is_never_its_own_result(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SAMPLES["PNG"])
    link = tmp_path / "link.png"
    link.symlink_to(path)
    for output in (path, link, tmp_path / "." / "a.png"):
        with pytest.raises(UsageError, match="replace the photo"):
            plan_outputs([(path, Path("a.png"))], output, None, several=False)


def test_unknown_output_format(identity: PhotoDenoiser, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"\.xyz"):
        run(SAMPLES["PNG"], tmp_path / "out.xyz", identity)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif", "out.bmp"])
def test_full_disk(name: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    """A file that cannot grow, as on a full disk, leaves nothing behind."""
    data = picture("PNG", 300)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises((ImageError, OSError)):
            run(data, tmp_path / name, identity)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who is not root")
def test_folder_that_cannot_be_written(identity: PhotoDenoiser, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission"):
        run(SAMPLES["PNG"], tmp_path / "out.png", identity)
    tmp_path.chmod(0o700)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x04evil")
    with pytest.raises(WeightsError, match="pickle") as caught:
        load_photo_denoiser(weights=path)
    assert "safetensors" in caught.value.hint or "save_weights" in caught.value.hint
