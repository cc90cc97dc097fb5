"""The page as a person uses it, in a real browser: drop, look, turn, download."""

from __future__ import annotations

import base64
import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import run_here
from tests.serve.conftest import Browser, Page

EXAMPLES = Path(__file__).parents[2] / "examples"
Browse = Callable[[], Browser]
pytestmark = pytest.mark.slow
READY = "document.querySelector('#wait').hidden && !document.querySelector('#save').disabled"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return Path(shutil.copy(EXAMPLES / "photo.jpg", tmp_path / "my photo.jpg"))


def downloaded(folder: Path, name: str) -> bytes:
    latest = time.monotonic() + 60
    while not (folder / name).is_file():
        assert time.monotonic() < latest, f"{name} never came"
        time.sleep(0.05)
    return (folder / name).read_bytes()


def screen(browser: Browser) -> np.ndarray:
    """What the canvas shows, (H, W, 3)."""
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    url = browser.run("document.querySelector('#view').toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def turn(browser: Browser, slider: str, value: int) -> None:
    element = f"document.querySelector('#{slider}')"
    browser.run(f"{element}.value = {value}; {element}.dispatchEvent(new Event('input'))")


def errors(browser: Browser) -> list[str]:
    browser.run("1")
    kinds = {"Runtime.exceptionThrown", "Log.entryAdded"}
    return [str(event["params"]) for event in browser.events if event.get("method") in kinds]


def test_drop_turn_and_download(page: Page, browse: Browse, photo: Path, tmp_path: Path) -> None:
    """Byte for byte what the command line writes."""
    browser = browse()
    browser.open(page.address)
    browser.drop(photo)
    browser.wait(READY)
    assert "noise 12.5 of 255, coarse" in browser.run("document.querySelector('#facts').textContent")
    browser.run("document.querySelector('#save').click()")
    whole = downloaded(tmp_path / "downloads", "my photo.denoised.jpg")
    shares = ("--luma", "0.4", "--chroma", "0.75")
    for name, more in (("whole.jpg", ()), ("part.jpg", shares)):
        done = run_here(tmp_path, "denoise-image", photo, "-o", name, "--runtime", "onnx", *more)
        assert done.returncode == 0, done.stderr
    assert whole == (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "downloads/my photo.denoised.jpg").unlink()
    browser.wait(READY)
    turn(browser, "luma", 40)
    turn(browser, "chroma", 75)
    browser.run("document.querySelector('#save').click()")
    assert downloaded(tmp_path / "downloads", "my photo.denoised.jpg") == (tmp_path / "part.jpg").read_bytes()
    assert errors(browser) == []


@pytest.mark.parametrize(
    ("example", "shares"),
    [
        ("photo.jpg", [(100, 100), (30, 80), (70, 0), (0, 100)]),
        ("noisy.png", [(100, 100), (0, 0), (100, 0)]),
    ],
)
def test_the_screen_shows_what_is_written(
    example: str, shares: list[tuple[int, int]], page: Page, browse: Browse, tmp_path: Path
) -> None:
    """At 100 % each pixel before is the photo's, and after the result's, as the sliders stand."""
    photo = tmp_path / "a.png"
    with Image.open(EXAMPLES / example) as image:
        image.convert("RGB").save(photo)
    browser = browse()
    browser.open(page.address)
    browser.drop(photo)
    browser.wait(READY)
    browser.run("document.querySelector('#real').click()")
    with Image.open(photo) as image:
        before = np.asarray(image.convert("RGB")).astype(int)
    height, width = before.shape[:2]
    for luma, chroma in shares:
        turn(browser, "luma", luma)
        turn(browser, "chroma", chroma)
        name = f"{luma}-{chroma}.png"
        turned = ("--luma", str(luma / 100), "--chroma", str(chroma / 100), "--runtime", "onnx")
        assert run_here(tmp_path, "denoise-image", photo, "-o", name, *turned).returncode == 0
        with Image.open(tmp_path / name) as image:
            after = np.asarray(image.convert("RGB")).astype(int)
        for key, expected, most in (("End", before, 0), ("Home", after, 3)):
            browser.run("document.querySelector('#split').focus()")
            browser.press(key)
            seen = screen(browser)
            top, left = ((seen.shape[axis] - size) // 2 for axis, size in ((0, height), (1, width)))
            shown = seen[top : top + height, left : left + width]
            off = np.abs(shown - expected)
            # In between, what was cut off at black and white is missing.
            exact = luma in {0, 100} and chroma in {0, luma}
            assert (off.max() if exact else np.quantile(off, 0.99)) <= most, (luma, chroma, key)


def test_the_divider_moves_by_mouse_touch_and_keyboard(page: Page, browse: Browse, photo: Path) -> None:
    browser = browse()
    browser.open(page.address)
    browser.drop(photo)
    browser.wait(READY)
    left, top, width, height = browser.box("#stage")
    now = "Number(document.querySelector('#split').getAttribute('aria-valuenow'))"

    def at() -> int:
        screen(browser)
        return int(browser.run(now))

    assert at() == 50
    middle = top + height / 2
    browser.mouse("mousePressed", left + width / 2, middle)
    browser.mouse("mouseMoved", left + 0.3 * width, middle)
    browser.mouse("mouseReleased", left + 0.3 * width, middle)
    assert abs(at() - 30) <= 1
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
    browser.touch("touchStart", (left + 0.3 * width, middle))
    for share in (0.4, 0.6, 0.8):
        browser.touch("touchMove", (left + share * width, middle))
    browser.touch("touchEnd")
    assert abs(at() - 80) <= 1
    browser.run("document.querySelector('#split').focus()")
    browser.press("ArrowLeft")
    assert abs(at() - 78) <= 1
    browser.press("Home")
    assert at() == 0


def test_it_moves_at_full_size(page: Page, browse: Browse, tmp_path: Path) -> None:
    """A photo larger than the screen: dragging and arrow keys bring every corner into view."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1300, 1900, 3), dtype=np.uint8)
    pixels[:40, :40] = (255, 0, 0)
    pixels[-40:, -40:] = (0, 0, 255)
    path = tmp_path / "large.png"
    Image.fromarray(pixels).save(path)
    browser = browse()
    browser.open(page.address)
    browser.drop(path)
    browser.wait(READY)
    turn(browser, "luma", 0)
    turn(browser, "chroma", 0)
    browser.run("document.querySelector('#real').click()")
    left, top, width, height = browser.box("#view")
    for sign, corner, colour in ((1, (0, 0), (255, 0, 0)), (-1, (-1, -1), (0, 0, 255))):
        for _ in range(3):
            x, y = left + width / 2, top + 60 + height / 4
            browser.mouse("mousePressed", x, y)
            browser.mouse("mouseMoved", x + sign * width / 2.2, y + sign * height / 4)
            browser.mouse("mouseReleased", x + sign * width / 2.2, y + sign * height / 4)
            for key in ("ArrowUp", "ArrowLeft") if sign > 0 else ("ArrowDown", "ArrowRight"):
                browser.run("document.querySelector('#view').focus()")
                for _ in range(8):
                    browser.press(key)
        assert tuple(screen(browser)[corner]) == colour


def test_several_photos_and_a_bad_one(page: Page, browse: Browse, photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    other = Path(shutil.copy(EXAMPLES / "noisy.png", tmp_path / "other.png"))
    browser = browse()
    browser.open(page.address)
    browser.drop(photo, bad, other)
    browser.wait("document.querySelectorAll('#strip progress[hidden]').length === 3")
    names = browser.run("[...document.querySelectorAll('#strip button')].map(b => b.title)")
    assert names == ["my photo.jpg", "bad.jpg", "other.png"]
    browser.run("document.querySelectorAll('#strip button')[1].click()")
    assert browser.run("document.querySelector('#said').textContent").startswith(
        "bad.jpg is not a picture that can be read."
    )
    assert browser.run("document.querySelector('#save').disabled") is True
    browser.run("document.querySelector('#all').click()")
    for name in ("my photo.denoised.jpg", "other.denoised.png"):
        assert downloaded(tmp_path / "downloads", name)
    assert sorted(path.name for path in (tmp_path / "downloads").iterdir()) == [
        "my photo.denoised.jpg",
        "other.denoised.png",
    ]


def test_all_means_those_that_are_still_at_work(
    page: Page, browse: Browse, photo: Path, tmp_path: Path
) -> None:
    """Asked for twice at once, before any is clean, each photo comes once."""
    other = Path(shutil.copy(EXAMPLES / "noisy.png", tmp_path / "other.png"))
    browser = browse()
    browser.open(page.address)
    browser.drop(photo, other)
    browser.run("document.querySelector('#all').click(); document.querySelector('#all').click()")
    for name in ("my photo.denoised.jpg", "other.denoised.png"):
        assert downloaded(tmp_path / "downloads", name)
    browser.wait("!document.querySelector('#all').disabled")
    assert len(list((tmp_path / "downloads").iterdir())) == 2
    assert errors(browser) == []


def test_a_folder_is_no_photo(page: Page, browse: Browse, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    browser = browse()
    browser.open(page.address)
    browser.drop(tmp_path / "holiday")
    said = "document.querySelector('#said').textContent"
    browser.wait(f"{said}.includes('cannot be read')")
    assert browser.run(said) == "holiday cannot be read: is it a folder, or has it been moved?"


@pytest.mark.parametrize(("width", "height", "ratio"), [(1280, 800, 1), (390, 844, 2)])
def test_it_fits_the_screen(
    width: int, height: int, ratio: int, page: Page, browse: Browse, photo: Path
) -> None:
    """Nothing lies outside of the window, on a desk or on a phone, before and after a photo is there."""
    browser = browse()
    browser.open(page.address, width, height, ratio)
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert browser.run(size) == [width, height]
    browser.drop(photo, photo)
    browser.wait(READY)
    assert browser.run(size) == [width, height]
    assert browser.box("#stage")[3] > height / 3
    folder = os.environ.get("DENOISE_SCREENSHOTS")
    if folder:
        screen(browser)
        data = browser.call("Page.captureScreenshot")["data"]
        Path(folder, f"page-{width}.png").write_bytes(base64.b64decode(data))
    assert errors(browser) == []


def test_nothing_is_loaded_from_elsewhere(page: Page, browse: Browse, photo: Path) -> None:
    browser = browse()
    browser.open(page.address)
    browser.drop(photo)
    browser.wait(READY)
    asked = {
        event["params"]["request"]["url"].split("?")[0]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    }
    server = f"http://127.0.0.1:{page.port}/"
    assert {url for url in asked if not url.startswith("data:")} == {server, f"{server}preview"}
