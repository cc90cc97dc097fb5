"""A batch goes on past any photo, says what is true of each, and can always be stopped."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from denoise_cli.errors import DenoiseError, DiskFull, ImageError, OutputExists, UsageError
from denoise_cli.photo import denoise_batch as batch_module
from denoise_cli.photo.denoise_batch import BatchOptions, Outcome, denoise_batch, is_at_work
from denoise_cli.photo.denoise_file import Settings, denoise_file
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.failures import as_failure
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.paths import Item, default_output
from denoise_cli.photo.pixels.types import Array
from denoise_cli.photo.plan_batch import Request, plan_batch
from denoise_cli.photo.runtimes.load import PhotoDenoiser
from denoise_cli.weights.header import WeightsHeader

SETTINGS = Settings(Controls())
SMALL, LARGE = 24, 48
Call = Callable[[Array], object]


class Calling:
    """A runtime that calls a function with each window, and leaves it as it is."""

    name = "calling"
    window = 64 * 64

    def __init__(self, call: Call) -> None:
        self._call = call

    def guidance(self, thumbnail: Array) -> Array:
        raise AssertionError("a plain model has no guidance")

    def run(self, window: Array, guidance: Array | None) -> Array:
        self._call(window)
        return window.copy()


def calling(call: Call) -> PhotoDenoiser:
    return PhotoDenoiser(WeightsHeader("denoiser", "cae", True), Calling(call))


def raising(error: Exception, size: int = LARGE) -> PhotoDenoiser:
    """A denoiser that fails at photos of this size."""

    def call(window: Array) -> None:
        if window.shape[-1] == size:
            raise error

    return calling(call)


def photo(path: Path, size: int = SMALL) -> Item:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return Item(path, default_output(path, None))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failure_of(outcome: Outcome) -> DenoiseError:
    assert outcome.error is not None
    return outcome.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "not enough memory for .*b.png"),
        (KeyError("odd"), "b.png cannot be denoised (KeyError: 'odd')"),
        (RecursionError("deep"), "RecursionError: deep"),
        (UnicodeDecodeError("utf-8", b"bad keyword \xfc", 12, 13, "invalid"), r"bad keyword \xfc"),
        (OSError(errno.EIO, "Input/output error", "b.png"), "Input/output error (b.png)"),
        (OSError("odd"), "OSError: odd"),
        (ImageError("damaged", "hint"), "damaged"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_error_is_its_photos_and_the_rest_is_done(error: Exception, reason: str, tmp_path: Path) -> None:
    items = [photo(tmp_path / "a.png"), photo(tmp_path / "b.png", LARGE), photo(tmp_path / "c.png")]
    outcomes = {outcome.item: outcome for outcome in denoise_batch(items, raising(error), SETTINGS)}
    failure = failure_of(outcomes[items[1]])
    assert reason.replace(".*", "") in str(failure).replace(f"{tmp_path}/", "")
    assert failure is error or failure.__cause__ is error
    assert outcomes[items[0]].error is outcomes[items[2]].error is None
    assert names(tmp_path) == {"a.png", "b.png", "c.png", "a.denoised.png", "c.denoised.png"}


def test_messages_of_photos_at_the_same_time_are_not_mixed(identity: PhotoDenoiser, tmp_path: Path) -> None:
    """libvips has one text of errors for all threads."""
    items = []
    for number in range(24):
        kind = "jpg" if number % 2 else "png"
        item = photo(tmp_path / f"{number}.{kind}", 150)
        data = bytearray(item.source.read_bytes())
        data[len(data) // 2] ^= 255
        item.source.write_bytes(data if kind == "png" else data[: len(data) // 2])
        items.append(item)
    examples = {item.source.suffix: item for item in items[:2]}
    alone = {item: next(denoise_batch([item], identity, SETTINGS)) for item in items[:2]}
    for outcome in denoise_batch(items, identity, SETTINGS):
        example = examples[outcome.item.source.suffix]
        said = str(failure_of(alone[example])).replace(example.source.name, outcome.item.source.name)
        assert str(outcome.error) == said
        items.remove(outcome.item)
    assert items == []


def test_a_full_disk_ends_the_batch(tmp_path: Path) -> None:
    items = [photo(tmp_path / f"{number}.png", LARGE) for number in range(8)]
    for error in (
        OSError(errno.ENOSPC, "No space left on device", str(tmp_path / ".denoise-0123abcd.part.png")),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        ImageError(f"It cannot be written (system error: {os.strerror(errno.ENOSPC)})."),
    ):
        outcomes = list(denoise_batch(items, raising(error), SETTINGS))
        assert len(outcomes) == 1
        assert isinstance(outcomes[0].error, DiskFull)
        assert ".denoise-" not in str(outcomes[0].error)
    assert len(names(tmp_path)) == 8


def test_temporary_names_are_not_shown() -> None:
    item = Item(Path("a.png"), Path("out/a.png"))
    error = ImageError("The result cannot be written (out/.denoise-0123abcd.part.png: write error).", "hint")
    assert str(as_failure(error, item)) == "The result cannot be written (out/a.png: write error)."
    assert as_failure(error, item).hint == "hint"


def test_a_result_that_appears_while_it_is_computed_is_kept(tmp_path: Path) -> None:
    item = photo(tmp_path / "a.png")
    denoiser = calling(lambda window: item.output.write_bytes(b"theirs"))
    (outcome,) = denoise_batch([item], denoiser, SETTINGS)
    assert isinstance(outcome.error, OutputExists)
    item.output.unlink()
    # Another run may have been faster: what it has done is left out as if it had been there before.
    assert list(denoise_batch([item], denoiser, SETTINGS, BatchOptions(skip_existing=True))) == [
        Outcome(item)
    ]
    assert list(denoise_batch([item], denoiser, SETTINGS, BatchOptions(skip_existing=True))) == [
        Outcome(item)
    ]
    assert item.output.read_bytes() == b"theirs"
    assert names(tmp_path) == {"a.png", "a.denoised.png"}


def test_a_comparison_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    item = photo(tmp_path / "a.png")
    comparison = tmp_path / "a.denoised.compare.png"
    denoiser = calling(lambda window: comparison.write_bytes(b"theirs"))
    (outcome,) = denoise_batch([item], denoiser, SETTINGS, BatchOptions(side_by_side=True))
    assert outcome.result is not None
    assert isinstance(outcome.error, OutputExists)
    assert comparison.read_bytes() == b"theirs"


def test_a_photo_whose_decoder_hangs_does_not_hold_up_the_end(
    identity: PhotoDenoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "_GRACE", 0.1)
    hanging = Item(tmp_path / "pipe.png", tmp_path / "result.png")
    os.mkfifo(hanging.source)  # Opening it waits until someone writes.
    good = photo(tmp_path / "good.png")
    start = time.monotonic()
    with closing(denoise_batch([hanging, good], identity, SETTINGS)) as batch:
        assert next(batch).item == good
    assert time.monotonic() - start < 5
    assert is_at_work()
    with hanging.source.open("wb"):
        pass
    while is_at_work():
        assert time.monotonic() - start < 10
        time.sleep(0.01)
    assert names(tmp_path) == {"pipe.png", "good.png", "good.denoised.png"}


def test_ctrl_c_before_the_threads_have_started(
    identity: PhotoDenoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(denoise_batch([photo(tmp_path / "a.png")], identity, SETTINGS))


def test_a_stopped_batch_leaves_no_partial_file(tmp_path: Path) -> None:
    items = [photo(tmp_path / f"{number}.png", 200) for number in range(6)]
    with closing(denoise_batch(items, calling(lambda window: time.sleep(0.01)), SETTINGS)) as batch:
        next(batch)
    assert not is_at_work()
    assert not any(name.startswith(".") for name in names(tmp_path))


@pytest.mark.parametrize("tag", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("size", [(40, 40), (40, 64)], ids=["square", "wide"])
@pytest.mark.parametrize("lies", ["as stored", "as shown", "by its own tag"])
def test_a_reference_is_compared_as_it_is_shown(
    lies: str, size: tuple[int, int], tag: int | None, identity: PhotoDenoiser, tmp_path: Path
) -> None:
    """The same picture is found to be the same however either is turned; Pillow says how."""
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture, exif = Image.fromarray(pixels), Image.Exif()
    if tag is not None:
        exif[0x0112] = tag
    picture.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        shown = ImageOps.exif_transpose(image)
    clean = tmp_path / "clean.png"
    if lies == "by its own tag":
        turned = Image.Exif()
        turned[0x0112] = 6
        shown.transpose(Image.Transpose.ROTATE_90).save(clean, exif=turned)
    else:
        Image.fromarray(np.asarray(shown if lies == "as shown" else picture)).save(clean)
    item = Item(tmp_path / "a.png", tmp_path / "b.png")
    (outcome,) = denoise_batch([item], identity, SETTINGS, BatchOptions(clean, side_by_side=True))
    assert outcome.error is None and outcome.scores is not None
    assert outcome.scores["psnr_before"] == float("inf")
    assert outcome.comparison is not None
    with Image.open(outcome.comparison) as image:
        page = np.asarray(image.convert("RGB"))
    height, width = shown.height, shown.width
    assert (page[:height, :width] == np.asarray(shown)).all()
    assert (page[:height, -width:] == np.asarray(shown)).all()


def test_a_photo_that_came_from_no_file(identity: PhotoDenoiser, tmp_path: Path) -> None:
    item = photo(tmp_path / "a.png")
    piped = Item(Path("-"), tmp_path / "result", item.source.read_bytes())
    (outcome,) = denoise_batch([piped], identity, SETTINGS, BatchOptions(item.source, side_by_side=True))
    assert outcome.comparison == tmp_path / "result.compare.png"
    assert outcome.scores is not None and outcome.scores["psnr_before"] == float("inf")
    with Image.open(tmp_path / "result") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_results_and_comparisons_have_the_photos_permissions(
    mode: int, identity: PhotoDenoiser, tmp_path: Path
) -> None:
    item = photo(tmp_path / "a.png")
    item.source.chmod(mode)
    (outcome,) = denoise_batch([item], identity, SETTINGS, BatchOptions(side_by_side=True))
    assert outcome.comparison is not None
    assert {path.stat().st_mode & 0o777 for path in (item.output, outcome.comparison)} == {mode}
    item.output.chmod(0o664)
    denoise_file(item.source, item.output, identity, Settings(Controls(), overwrite=True), lambda share: None)
    assert item.output.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    "name", [os.fsdecode(b"\xff\xfe.png"), os.fsdecode(b"d\xff/a.png"), "山.png", "[n=2].png"]
)
def test_names_in_any_encoding(name: str, identity: PhotoDenoiser, tmp_path: Path) -> None:
    item = photo(tmp_path / name)
    (outcome,) = denoise_batch([item], identity, SETTINGS, BatchOptions(item.source, side_by_side=True))
    assert outcome.error is None
    assert outcome.comparison is not None and outcome.comparison.stat().st_size > 0


def test_a_result_whose_name_is_too_long_is_its_photos_failure(
    identity: PhotoDenoiser, tmp_path: Path
) -> None:
    for name in ("a.png", "b" * 245 + ".png"):
        photo(tmp_path / name)
    for options in (BatchOptions(), BatchOptions(skip_existing=True)):
        items = plan_batch(Request([str(tmp_path)], skip_existing=options.skip_existing)).items
        said = [str(outcome.error) for outcome in denoise_batch(items, identity, SETTINGS, options)]
        assert sum("File name too long" in text for text in said) == 1
    assert (tmp_path / "a.denoised.png").exists()


def test_what_is_no_file_never_becomes_a_result(identity: PhotoDenoiser, tmp_path: Path) -> None:
    item = photo(tmp_path / "a.png")
    pipe, link = tmp_path / "pipe", tmp_path / "link.png"
    os.mkfifo(pipe)
    link.symlink_to("nowhere")
    settings = Settings(Controls(), overwrite=True)
    for output in (pipe, link, Path("/dev/null"), Path("/dev/fd/1"), tmp_path):
        before = output.lstat().st_mode
        with pytest.raises(UsageError, match="no result can be written there"):
            denoise_file(item.source, output, identity, settings, lambda share: None)
        assert output.lstat().st_mode == before


def test_the_name_or_the_photo_decides_on_the_format(identity: PhotoDenoiser, tmp_path: Path) -> None:
    item = photo(tmp_path / "a.bmp")
    (tmp_path / "a.raw8").write_bytes(item.source.read_bytes())
    for source, name, wanted, expected in (
        ("a.bmp", "res", None, "BMP"),
        ("a.bmp", "res2", "png", "PNG"),
        ("a.bmp", "b.PNG", None, "PNG"),
        ("a.raw8", "a.denoised.raw8", None, "BMP"),
        ("a.bmp", "c.dat", "jpeg", "JPEG"),
    ):
        kind = None if wanted is None else FORMATS[wanted]
        settings = Settings(Controls(), format=kind)
        denoise_file(tmp_path / source, tmp_path / name, identity, settings, lambda share: None)
        with Image.open(tmp_path / name) as image:
            assert image.format == expected
    for name, wanted in (("x.png", "bmp"), ("x.png", "jpeg")):
        settings = Settings(Controls(), format=FORMATS[wanted])
        with pytest.raises(UsageError, match="is the name of another"):
            denoise_file(item.source, tmp_path / name, identity, settings, lambda share: None)
        assert not (tmp_path / name).exists()
