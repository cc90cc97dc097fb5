"""The slider of the HTML report, moved by mouse, touch and keyboard in a real browser."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


class Browser:
    """Speaks the DevTools protocol over a pipe: JSON messages, each ended by a zero byte."""

    def __init__(self, url: str, profile: Path) -> None:
        (inner_read, self._write), (self._read, inner_write) = os.pipe(), os.pipe()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        redirect = f'exec "$@" 3<&{inner_read} 4>&{inner_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", *command],
            pass_fds=(inner_read, inner_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(inner_read)
        os.close(inner_write)
        self._number, self._buffer, self._session = 0, b"", ""
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self("Emulation.setDeviceMetricsOverride", **PHONE)
        self("Emulation.setTouchEmulationEnabled", enabled=True)
        self("Page.navigate", url=url)
        while self.value("document.readyState + location.protocol") != "completefile:":
            pass

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                received = os.read(self._read, 1 << 16)
                assert received, "the browser has gone"
                self._buffer += received
            raw, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(raw)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def value(self, expression: str) -> Any:
        return self("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self, path: Path) -> np.ndarray:
        png = base64.b64decode(self("Page.captureScreenshot")["data"])
        path.write_bytes(png)
        with Image.open(BytesIO(png)) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def browser(
    tmp_path: Path, image_folder: Path, denoise: Callable[..., subprocess.CompletedProcess[str]]
) -> Iterator[Browser]:
    """A phone-sized browser that shows a report, scrolled to its slider."""
    architecture = WeightsHeader("denoiser", "cae", True, noise="blind")
    save_weights(tmp_path / "w/cae/last.safetensors", build(architecture), architecture)
    arguments = [
        "compare",
        "--models",
        "cae",
        "--noise",
        "basic",
        "--weights",
        "w",
        "-o",
        "report.html",
        "--format",
        "html",
    ]
    result = denoise(*arguments, "--dataset", image_folder)
    assert result.returncode == 0, result.stderr
    browser = Browser((tmp_path / "report.html").as_uri(), tmp_path / "profile")
    browser.value("document.getElementById('slider').scrollIntoView({block: 'center'})")
    yield browser
    browser.close()


def test_mouse_touch_and_keyboard_move_the_slider(browser: Browser, tmp_path: Path) -> None:
    box = json.loads(
        browser.value("JSON.stringify(document.getElementById('slider').getBoundingClientRect())")
    )
    left, width = box["x"], box["width"]
    middle = box["y"] + box["height"] / 4

    def position() -> float:
        return float(browser.value("document.getElementById('range').value"))

    before = browser.screenshot(tmp_path / "before.png")
    for kind, share in (
        ("mousePressed", 0.5),
        ("mouseMoved", 0.4),
        ("mouseMoved", 0.2),
        ("mouseReleased", 0.2),
    ):
        browser(
            "Input.dispatchMouseEvent", type=kind, x=left + share * width, y=middle, button="left", buttons=1
        )
    assert position() == pytest.approx(20, abs=1)
    after = browser.screenshot(tmp_path / "after.png")
    changed = (before != after).any(2)[int(box["y"]) : int(box["y"] + box["height"])]
    columns = changed.mean(0)
    inside = columns[int(left + 0.26 * width) : int(left + 0.44 * width)]
    outside = columns[int(left + 0.56 * width) : int(left + 0.95 * width)]
    # Between the two places the noisy picture gave way to the other; right of them nothing changed.
    assert inside.min() > 0.3
    assert outside.max() == 0

    def touch(kind: str, *shares: float) -> None:
        points = [{"x": left + share * width, "y": middle} for share in shares]
        browser("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    touch("touchStart", 0.3)
    touch("touchMove", 0.5)
    touch("touchMove", 0.8)
    touch("touchEnd")
    assert position() == pytest.approx(80, abs=1)

    for kind in ("keyDown", "keyUp"):
        browser(
            "Input.dispatchKeyEvent", type=kind, key="ArrowLeft", code="ArrowLeft", windowsVirtualKeyCode=37
        )
    assert position() == pytest.approx(79, abs=1)
    assert browser.value("document.getElementById('slider').style.getPropertyValue('--cut')") == "79%"


def test_the_report_fits_a_phone(browser: Browser) -> None:
    """Wide tables and charts scroll by themselves; the page does not."""
    assert browser.value("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_report_loads_nothing(browser: Browser, tmp_path: Path) -> None:
    text = (tmp_path / "report.html").read_text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)") is True
