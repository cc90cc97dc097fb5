"""What the server answers, to whom, and what it leaves behind."""

from __future__ import annotations

import asyncio
import errno
import http.client
import io
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps
from starlette.datastructures import Headers

from denoise_cli.cli import serve as command
from denoise_cli.errors import ImageError, UsageError
from denoise_cli.photo import preview as preview_module
from denoise_cli.photo.denoise_file import Settings
from denoise_cli.photo.denoise_rows import Controls
from denoise_cli.photo.preview import Preview, make_preview
from denoise_cli.photo.runtimes.load import load_photo_denoiser
from denoise_cli.serve.app import Desk, Service, _of_photo, _safe_name, build_app
from denoise_cli.serve.run import listen
from tests.conftest import Command, run_here
from tests.serve.conftest import Page

EXAMPLES = Path(__file__).parents[2] / "examples"
# Windows sends none of them.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
OPEN = "Open this address in a browser of this machine; Ctrl-C stops the page."


def ask(
    page: Page, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Headers, bytes]:
    """One request; the token is sent unless headers say otherwise."""
    given = {"x-denoise-token": page.token} | {name.replace("_", "-"): text for name, text in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=120)
    connection.request(method, path, body, {name: text for name, text in given.items() if text})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, Headers(dict(answer.getheaders())), data


def parts(data: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """The lines of JSON of an answer, up to the one that says what follows; and that."""
    lines: list[dict[str, Any]] = []
    while data and not (lines and ("done" in lines[-1] or "error" in lines[-1])):
        line, _, data = data.partition(b"\n")
        lines.append(json.loads(line))
    return lines, data


def test_a_result_is_what_the_command_writes(page: Page, tmp_path: Path) -> None:
    source = EXAMPLES / "photo.jpg"
    status, _, data = ask(page, "POST", "/result?name=photo.jpg&luma=0.5&format=png", source.read_bytes())
    assert status == 200
    lines, body = parts(data)
    shares = [line["share"] for line in lines[:-1]]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1
    assert lines[-1]["done"] == {"name": "photo.denoised.png", "bytes": len(body), "type": "image/png"}
    options = ("--luma", "0.5", "--format", "png", "-o", "x.png", "--runtime", "onnx")
    assert run_here(tmp_path, "denoise-image", source, *options).returncode == 0
    assert body == (tmp_path / "x.png").read_bytes()


def test_a_preview_has_three_versions(page: Page) -> None:
    status, _, data = ask(page, "POST", "/preview?name=photo.jpg", (EXAMPLES / "photo.jpg").read_bytes())
    assert status == 200
    lines, body = parts(data)
    head = lines[-1]["done"]
    assert (head["width"], head["height"], head["reduced"]) == (512, 512, 1)
    assert head["noise"].endswith("of 255, coarse")
    before, luma, both = np.frombuffer(body, np.uint8).reshape(3, 512, 512, 3)
    with Image.open(EXAMPLES / "photo.jpg") as image:
        assert np.abs(before.astype(int) - np.asarray(image)).max() <= 1
    assert np.abs(luma.astype(int) - before).mean() > 1 < np.abs(both.astype(int) - luma).mean()


@pytest.mark.parametrize(
    "headers",
    [
        {"x_denoise_token": ""},
        {"x_denoise_token": "wrong"},
        {"host": "photos.example"},
        {"host": "127.0.0.1"},
        {"origin": "http://photos.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=str,
)
def test_others_may_not_ask(headers: dict[str, str], page: Page) -> None:
    photo = (EXAMPLES / "photo.jpg").read_bytes()
    for path in ("/preview?name=a.jpg", "/result?name=a.jpg"):
        status, found, data = ask(page, "POST", path, photo, **headers)
        assert (status, "access-control-allow-origin" in found) == (403, False)
        assert b"error" in data and photo[:50] not in data


def test_the_token_in_an_address_does_not_serve_photos(page: Page) -> None:
    """A page of another site could send such a form; a header it could not."""
    status, _, _ = ask(page, "POST", f"/preview?name=a.jpg&token={page.token}", b"x", x_denoise_token="")
    assert status == 403
    assert ask(page, "GET", "/", x_denoise_token="")[0] == 403
    assert ask(page, "GET", f"/?token={page.token}", x_denoise_token="")[0] == 200
    assert ask(page, "GET", f"/?token={page.token}", host=f"localhost:{page.port}")[0] == 200


def test_the_page_loads_nothing(page: Page) -> None:
    _, headers, data = ask(page, "GET", f"/?token={page.token}")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "unsafe" not in policy
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    text = data.decode()
    assert "{{" not in text and "http://" not in text and "https://" not in text
    assert (
        headers["content-security-policy"]
        != ask(page, "GET", f"/?token={page.token}")[1]["content-security-policy"]
    )


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/preview?name=a.jpg", b"", "a.jpg is empty."),
        ("/result?name=a.jpg&luma=2", b"x", "luma must be a number from 0 to 1."),
        ("/result?name=a.jpg&chroma=nan", b"x", "chroma must be a number from 0 to 1."),
        ("/result?name=a.jpg&format=exe", b"x", "There is no format 'exe'."),
        ("/preview?name=a.jpg", bytes(8_000_001), "a.jpg is larger than 8 MB."),
    ],
)
def test_requests_that_are_wrong(path: str, body: bytes, error: str, page: Page) -> None:
    status, _, data = ask(page, "POST", path, body)
    assert (status, json.loads(data)["error"]) == (400, error)


@pytest.mark.parametrize("name", ["a.jpg", "../../a.jpg", "/etc/passwd", "a\nb.jpg", "", "...", "a" * 5000])
def test_what_is_no_photo_is_said_by_its_name(name: str, page: Page) -> None:
    status, _, data = ask(page, "POST", "/preview?" + urlencode({"name": name}), b"no photo at all")
    assert status == 200
    (line,), rest = parts(data)
    assert line["error"].endswith("is not a picture that can be read.") and rest == b""
    assert str(page.temporary) not in data.decode()


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("C:\\photos\\a b.JPG", "a b.JPG"),
        ("../../.bashrc", "photo.bashrc"),
        ("Zoë 1.tif", "Zoë 1.tif"),
        ("..", "photo."),
        ("", "photo"),
        ("a\x00b<>.png", "ab.png"),
    ],
)
def test_names(given: str, safe: str) -> None:
    assert _safe_name(given) == safe


def test_long_names_fit_a_file_system() -> None:
    assert len(_safe_name("ü" * 500 + ".jpg").encode()) <= 210


def test_nothing_is_kept(page: Page) -> None:
    photo = (EXAMPLES / "photo.jpg").read_bytes()
    ask(page, "POST", "/preview?name=a.jpg", photo)
    ask(page, "POST", "/result?name=a.jpg", photo)
    latest = time.monotonic() + 10
    while any(page.temporary.glob("denoise-serve-*/*")):
        assert time.monotonic() < latest
        time.sleep(0.05)


def test_who_goes_away_stops_the_work(page: Page, tmp_path: Path) -> None:
    """The photo of a page that is closed is given up, and its file goes."""
    Image.effect_noise((1600, 1600), 60).convert("RGB").save(tmp_path / "large.jpg", quality=90)
    data = (tmp_path / "large.jpg").read_bytes()
    with socket.create_connection(("127.0.0.1", page.port)) as connection:
        head = f"POST /preview?name=large.jpg HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        head += f"X-Denoise-Token: {page.token}\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    start = time.monotonic()
    while any(page.temporary.glob("denoise-serve-*/*")):
        assert time.monotonic() - start < 20
        time.sleep(0.02)
    assert ask(page, "GET", f"/?token={page.token}")[0] == 200


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", ENDING)
def test_it_leaves_nothing_where_it_is_stopped_at_work(number: int, tmp_path: Path) -> None:
    """And says nothing of the answer that it cut off."""
    Image.effect_noise((1600, 1600), 60).convert("RGB").save(tmp_path / "large.png")
    data = (tmp_path / "large.png").read_bytes()
    served = Page(tmp_path)
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        head = f"POST /preview?name=large.png HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        head += f"X-Denoise-Token: {served.token}\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert list(served.temporary.glob("denoise-serve-*/*/large.png"))
        code, said = served.stop(number)
    assert (code, said.splitlines()) == (0, [OPEN, "Stopped."])
    assert list(served.temporary.glob("denoise-serve-*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_stops_it(number: int, tmp_path: Path) -> None:
    """Also where a photo is half sent."""
    served = Page(tmp_path)
    assert ask(served, "GET", f"/?token={served.token}")[0] == 200
    with _half_sent(served):
        code, said = served.stop(number)
    assert (code, said.splitlines()) == (0, [OPEN, "Stopped."])
    assert list(served.temporary.glob("denoise-serve-*")) == []


def test_who_goes_away_while_sending_leaves_nothing(page: Page) -> None:
    """The fixture holds that nothing is said of it."""
    _half_sent(page).close()
    latest = time.monotonic() + 20
    while any(page.temporary.glob("denoise-serve-*/*")):
        assert time.monotonic() < latest
        time.sleep(0.02)
    assert ask(page, "GET", f"/?token={page.token}")[0] == 200


def _half_sent(page: Page) -> socket.socket:
    """A connection whose photo is not sent whole."""
    connection = socket.create_connection(("127.0.0.1", page.port))
    head = f"POST /preview?name=half.png HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    head += f"X-Denoise-Token: {page.token}\r\nContent-Length: 100000\r\n\r\n"
    connection.sendall(head.encode() + bytes(1000))
    latest = time.monotonic() + 20
    while not any(page.temporary.glob("denoise-serve-*/*/half.png")):
        assert time.monotonic() < latest
        time.sleep(0.02)
    return connection


@pytest.mark.parametrize(("port", "status"), [(80, 200), (8080, 403)])
def test_browsers_leave_out_the_usual_port(port: int, status: int, tmp_path: Path) -> None:
    service = Service(
        load_photo_denoiser("cae", runtime="onnx"), Settings(Controls()), 1000, "token", tmp_path
    )
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"token=token"}
    scope["headers"] = [(b"host", b"localhost")]
    asyncio.run(build_app(service, port, Desk())(scope, receive, send))
    assert said[0]["status"] == status


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.ENOSPC, "full"), "Free some space, then add the photo again."),
        (ImageError("Large.", "Allow it with --max-pixels 900."), "Allow it with --max-pixels 900."),
        (ImageError("No.", "Choose --format png."), "With denoise-image: Choose --format png."),
    ],
)
def test_a_hint_names_what_the_page_has(error: Exception, hint: str, tmp_path: Path) -> None:
    assert _of_photo(error, tmp_path / "photo.jpg")["hint"] == hint


def test_it_listens_on_this_machine_alone(page: Page) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with socket.socket() as connection:
            connection.settimeout(2)
            assert connection.connect_ex((str(address), page.port)) != 0
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken(page: Page, denoise: Command) -> None:
    done = denoise("serve", "--port", str(page.port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: Port {page.port} of this machine cannot be used: ")
    with pytest.raises(UsageError):
        listen(page.port)


def test_without_the_packages_it_says_how(denoise: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = denoise("serve")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: The page needs starlette, which is not installed.",
        "Install it: pip install starlette uvicorn",
    ]


def shown_by_cae(photo: Path) -> Preview:
    denoiser = load_photo_denoiser("cae", runtime="onnx")
    return make_preview(photo, denoiser, Settings(Controls()), lambda share: None)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_preview_is_as_a_viewer_shows_the_photo(mode: str, orientation: int, tmp_path: Path) -> None:
    """Upright, and transparent parts on white, as Pillow makes them."""
    rng = np.random.default_rng(0)
    shape = (40, 56) if mode == "L" else (40, 56, len(mode))
    image = Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    preview = make_preview(
        tmp_path / "a.png",
        load_photo_denoiser("cae", runtime="onnx"),
        Settings(Controls()),
        lambda share: None,
    )
    with Image.open(tmp_path / "a.png") as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    expected = np.asarray(Image.alpha_composite(white, upright).convert("RGB")).astype(int)
    assert (preview.width, preview.height) == upright.size
    assert np.abs(preview.before.astype(int) - expected).max() <= 1


def test_a_large_photo_is_shown_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "_MOST_PIXELS", 1000)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (67, 101, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    shown = make_preview(
        tmp_path / "a.png",
        load_photo_denoiser("cae", runtime="onnx"),
        Settings(Controls()),
        lambda share: None,
    )
    assert (shown.reduced, shown.width, shown.height) == (3, 101, 67)
    means = pixels[:66, :99].reshape(22, 3, 33, 3, 3).mean((1, 3))
    assert np.abs(shown.before - means).max() <= 0.51


def test_a_wide_profile_is_shown_in_srgb(tmp_path: Path) -> None:
    """As LittleCMS converts it."""
    profile = bytes(pyvips.Image.profile_load("p3"))
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(60, 200, (32, 32, 3), np.uint8))
    image.save(tmp_path / "a.png", icc_profile=profile)
    shown = make_preview(
        tmp_path / "a.png",
        load_photo_denoiser("cae", runtime="onnx"),
        Settings(Controls()),
        lambda share: None,
    )
    expected = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert expected is not None
    assert np.abs(shown.before.astype(int) - np.asarray(expected)).max() <= 2
    assert np.abs(shown.before.astype(int) - np.asarray(image)).max() > 5
