"""A page that is served by a process of its own, and a browser to look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from denoise_cli.files import remove_leftovers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-background-networking",
)


class Page:
    """The address of a page that is served, and the process that serves it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "denoise_cli", "serve", *options],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])
        self.token = self.address.partition("?token=")[2]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Stop it; the exit code and what it said."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=30)[1]
        return self.process.returncode, said


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    served = Page(tmp_path_factory.mktemp("page"), "--runtime", "onnx", "--max-megabytes", "8")
    yield served
    code, said = served.stop()
    assert (code, said.splitlines()[-1]) == (0, "Stopped.")
    assert "Traceback" not in said, said
    remove_leftovers(served.temporary)
    assert [path.name for path in served.temporary.iterdir() if path.name.startswith("denoise")] == []


class Browser:
    """Chromium, steered through its DevTools protocol over two pipes."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()

        def into_place() -> None:
            high = os.dup(read_there), os.dup(write_there)
            for number, descriptor in enumerate(high, 3):
                os.dup2(descriptor, number)

        self._process = subprocess.Popen(
            [CHROMIUM, *_OPTIONS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=(3, 4),
            preexec_fn=into_place,  # noqa: PLW1509
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_there)
        os.close(write_there)
        self._in, self._out = os.fdopen(read_here, "rb"), os.fdopen(write_here, "wb")
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        (target,) = (each["targetId"] for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Network", "Log"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One call of the protocol, and its answer."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": values}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return cast(dict[str, Any], answer["result"])
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in.fileno(), 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        text, self._rest = self._rest.split(b"\0", 1)
        return cast(dict[str, Any], json.loads(text))

    def run(self, script: str) -> Any:
        """The value of a script in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """The value of a script as soon as it is true."""
        latest = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < latest, f"never true: {script}"
            time.sleep(0.05)
        return value

    def open(self, address: str, width: int = 1280, height: int = 800, ratio: float = 1) -> None:
        """Load an address in a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": ratio}
        self.call("Emulation.setDeviceMetricsOverride", **size, mobile=width < 640)
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element."""
        found = self.run(
            f"(r => [r.left, r.top, r.width, r.height])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        return cast(tuple[float, float, float, float], tuple(found))

    def drop(self, *paths: Path) -> None:
        """Drop files on the middle of the page, as a file manager would."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=150, y=300, data=data)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def mouse(self, kind: str, x: float, y: float) -> None:
        held = {"button": "left", "buttons": 1 if kind != "mouseReleased" else 0, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        touched = [{"x": x, "y": y} for x, y in points]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=touched)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._in.close()
        self._out.close()


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[[], Browser]]:
    """Start a browser; its downloads go into `downloads`."""
    if CHROMIUM is None or sys.platform != "linux":
        pytest.skip("needs Chromium on Linux (Debian's package `chromium`)")
    opened: list[Browser] = []

    def start() -> Browser:
        opened.append(Browser(tmp_path))
        folder = str(tmp_path / "downloads")
        opened[-1].call("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        return opened[-1]

    yield start
    for each in opened:
        each.close()
