"""The server of the page, for this machine alone.

It answers three requests: the page; `preview`, which gets a photo and sends back three versions of it;
and `result`, which gets the photo again and sends back the file that `denoise-image` would write. Between
requests it keeps nothing: a photo lies in a temporary folder while it is worked on.

Only who has the token may ask, from this machine, by its own name: a page of another site knows no token,
and one that has its name point to this machine (DNS rebinding) says the wrong host.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from denoise_cli.errors import DenoiseError, DiskFull, UsageError
from denoise_cli.photo.denoise_file import Settings, denoise_file
from denoise_cli.photo.failures import as_failure
from denoise_cli.photo.files.formats import FORMATS, show
from denoise_cli.photo.files.paths import Item, default_output
from denoise_cli.photo.preview import Preview, make_preview
from denoise_cli.photo.runtimes.load import PhotoDenoiser

TOKEN_HEADER = "x-denoise-token"
# One computes while another is read or written.
_AT_ONCE = 2
_PIECE = 1 << 20
_LONGEST_NAME = 200
_USUAL_PORT = 80
# As nginx calls a request whose client has gone.
_CLOSED = 499
# Of the command; hints that name other options are `denoise-image`'s.
_OPTIONS = {"--max-pixels", "--device", "--runtime", "--model", "--weights"}
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "tiff": "image/tiff", "webp": "image/webp"}


class _StoppedError(Exception):
    """Nobody waits for this photo any more."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the server works with.

    Attributes:
        denoiser: Cleans all photos.
        settings: For all photos, but for the shares, which the page chooses.
        most_bytes: Of the largest file that is taken.
        token: Known to the page alone.
        folder: Where photos lie while they are worked on.
    """

    denoiser: PhotoDenoiser
    settings: Settings
    most_bytes: int
    token: str
    folder: Path


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


class Desk:
    """The photos at work."""

    def __init__(self) -> None:
        self.slots = threading.BoundedSemaphore(_AT_ONCE)
        self.works: set[_Work] = set()
        self.closed = False

    def close(self) -> None:
        """Give up what is at work and what may still come; who waits for it is told so at once."""
        self.closed = True
        for work in list(self.works):
            work.give_up()

    def clear(self, seconds: float) -> None:
        """Give up what is at work, and wait for it, but no longer than some seconds."""
        self.close()
        latest = time.monotonic() + seconds
        for work in list(self.works):
            work.wait(max(0.0, latest - time.monotonic()))


def build_app(service: Service, port: int, desk: Desk) -> Starlette:
    """The server's application, to be reached at `port` of this machine."""
    names = ("127.0.0.1", "localhost")
    # A browser leaves out the port that is usual.
    hosts = {f"{name}:{port}" for name in names} | (set(names) if port == _USUAL_PORT else set())

    def guarded(
        answer: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            refusal = _refusal(request, service.token, hosts)
            if refusal is not None:
                return _error(refusal, 403)
            try:
                return await answer(request)
            except DenoiseError as error:
                return _error(error, 400 if isinstance(error, UsageError) else 422)
            except ClientDisconnect:  # Nobody reads the answer to a photo that was half sent.
                return Response(status_code=_CLOSED)

        return checked

    async def page(_request: Request) -> Response:
        return _page(service)

    async def preview(request: Request) -> Response:
        photo = await _receive(request, service)
        work = _Work(photo.parent, desk)
        work.start(lambda: make_preview(photo, service.denoiser, service.settings, work.advance), photo)
        return StreamingResponse(_as_lines(work, _pieces_of_preview), media_type="application/octet-stream")

    async def result(request: Request) -> Response:
        controls = service.settings.controls
        luma, chroma = (_share(request, name) for name in ("luma", "chroma"))
        wanted = _format(request)
        settings = replace(
            service.settings, controls=replace(controls, luma=luma, chroma=chroma), format=wanted
        )
        photo = await _receive(request, service)
        work = _Work(photo.parent, desk)

        def make() -> tuple[str, bytes]:
            output = default_output(photo, wanted)
            denoise_file(photo, output, service.denoiser, settings, work.advance)
            return output.name, output.read_bytes()

        work.start(make, photo)
        return StreamingResponse(_as_lines(work, _pieces_of_file), media_type="application/octet-stream")

    routes = [
        Route("/", guarded(page)),
        Route("/preview", guarded(preview), methods=["POST"]),
        Route("/result", guarded(result), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _refusal(request: Request, token: str, hosts: set[str]) -> UsageError | None:
    """Why a request is not answered; None where it is."""
    if request.headers.get("host", "").lower() not in hosts:
        return UsageError("This server answers to its own address only.", "Open the address that it printed.")
    origin = request.headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
        return UsageError("Another page may not ask this server.")
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return UsageError("Another page may not ask this server.")
    # A page of another site cannot send this header unasked; the page itself is opened by its address.
    values = request.query_params if request.method == "GET" else request.headers
    given = values.get("token" if request.method == "GET" else TOKEN_HEADER)
    if not hmac.compare_digest((given or "").encode(), token.encode()):
        return UsageError("The address lacks its token.", "Open the address that `denoise serve` printed.")
    return None


def _page(service: Service) -> Response:
    nonce = secrets.token_urlsafe(16)
    text = files("denoise_cli.serve").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    text = text.replace("{{nonce}}", nonce).replace("{{model}}", escape(service.denoiser.info.name))
    return HTMLResponse(text, headers={**_HEADERS, "content-security-policy": policy})


async def _receive(request: Request, service: Service) -> Path:
    """The photo of a request under its own name, in a new folder.

    Raises:
        UsageError: It is empty or too large.
        DiskFull: It cannot be written.
    """
    name, most = _safe_name(request.query_params.get("name", "")), service.most_bytes
    folder = service.folder / secrets.token_hex(8)
    try:
        folder.mkdir()
        size = 0
        with (folder / name).open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise UsageError(
                        f"{name} is larger than {most / 1e6:,.0f} MB.",
                        "Start with a larger --max-megabytes, or use denoise-image.",
                    )
                file.write(piece)
        if size == 0:
            raise UsageError(f"{name} is empty.")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DiskFull(f"{name} cannot be kept while it is worked on: {error.strerror}.") from error
    except BaseException:  # also where the page is closed meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder / name


def _safe_name(name: str) -> str:
    """The name of a photo's file, as a name in a folder of ours."""
    last = name.replace("\\", "/").rpartition("/")[2]
    last = "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*')
    stem, dot, ending = last.rpartition(".")
    if not dot:
        stem, ending = last, ""
    # In bytes, as file systems count.
    while len(stem.encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem.lstrip('.') or 'photo'}{dot}{ending[:16]}"


def _share(request: Request, name: str) -> float:
    try:
        share = float(request.query_params.get(name, "1"))
    except ValueError:
        share = float("nan")
    if not 0 <= share <= 1:
        raise UsageError(f"{name} must be a number from 0 to 1.")
    return share


def _format(request: Request) -> Any:
    name = request.query_params.get("format", "")
    if name and name not in FORMATS:
        raise UsageError(f"There is no format {name!r}.", f"Known: {', '.join(FORMATS)}.")
    return FORMATS[name] if name else None


def _error(error: DenoiseError, status: int) -> Response:
    return JSONResponse({"error": str(error), "hint": error.hint}, status_code=status, headers=_HEADERS)


class _Work:
    """One photo at work in a thread; tells how far it is to who waits for it in the event loop."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self._folder, self._desk = folder, desk
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._stopped = threading.Event()
        self._share, self._last = 0.0, 0.0

    def start(self, make: Callable[[], Any], photo: Path) -> None:
        """Make the answer for a photo in a thread of its own, and delete the folder after it."""
        # Not a pool's thread, which a hanging decoder would keep the program waiting for.
        self._thread = threading.Thread(
            target=self._run, args=(make, photo), name="denoise-serve", daemon=True
        )
        self._desk.works.add(self)
        self._thread.start()
        if self._desk.closed:
            self.give_up()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than some seconds."""
        self._thread.join(seconds)

    def advance(self, share: float) -> None:
        """Count a share of the work; raises where nobody waits for it any more."""
        if self._stopped.is_set():
            raise _StoppedError
        self._share += share
        if self._share - self._last >= 0.01:
            self._last = self._share
            self._tell("share", min(1.0, self._share))

    def stop(self) -> None:
        """Give the work up at the next window."""
        self._stopped.set()

    def give_up(self) -> None:
        """Give the work up, and say so without waiting for the window."""
        self.stop()
        self._tell("stopped", None)

    async def told(self) -> AsyncIterator[tuple[str, Any]]:
        """What happens: `share` and how much is done; then `done` and the answer, `error`, or `stopped`."""
        while True:
            kind, value = await self._told.get()
            yield kind, value
            if kind != "share":
                return

    def _run(self, make: Callable[[], Any], photo: Path) -> None:
        try:
            with self._desk.slots:
                answer = make()
            self._tell("done", answer)
        except _StoppedError:
            self._tell("stopped", None)
        except Exception as error:  # a decoder may raise anything
            self._tell("error", _of_photo(error, photo))
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._desk.works.discard(self)

    def _tell(self, kind: str, value: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._told.put_nowait, (kind, value))
        except RuntimeError:  # The server has ended.
            self.stop()


def _of_photo(error: Exception, photo: Path) -> dict[str, str]:
    """An error as the page shows it, without the temporary folder and in terms of the page."""
    failure = as_failure(error, Item(photo, photo))
    folder, hint = show(photo.parent), failure.hint
    if isinstance(failure, DiskFull):
        hint = "Free some space, then add the photo again."
    elif not set(re.findall(r"--[a-z][a-z-]*", hint)) <= _OPTIONS:
        hint = f"With denoise-image: {hint}"
    texts = {"error": str(failure), "hint": hint}
    return {key: text.replace(f"{folder}/", "").replace(f"{folder}\\", "") for key, text in texts.items()}


async def _as_lines(
    work: _Work, pieces_of: Callable[[Any], tuple[dict[str, Any], list[memoryview]]]
) -> AsyncIterator[bytes]:
    """The body of an answer: lines of JSON on how far it is, a last one on what follows, then that."""
    try:
        async for kind, value in work.told():
            if kind == "stopped":
                return
            if kind != "done":
                yield _line({"share": value} if kind == "share" else value)
                continue
            head, bodies = pieces_of(value)
            yield _line({"done": head})
            for body in bodies:
                for start in range(0, len(body), _PIECE):
                    yield bytes(body[start : start + _PIECE])
    except ClientDisconnect:
        return
    finally:
        work.stop()


def _line(value: Any) -> bytes:
    return (json.dumps(value) + "\n").encode()


def _pieces_of_preview(preview: Preview) -> tuple[dict[str, Any], list[memoryview]]:
    height, width = preview.before.shape[:2]
    head = {
        "width": width,
        "height": height,
        "photo_width": preview.width,
        "photo_height": preview.height,
        "reduced": preview.reduced,
        "noise": preview.noise,
        "notes": list(preview.notes),
    }
    versions = (preview.before, preview.luma, preview.both)
    return head, [memoryview(version.tobytes()) for version in versions]


def _pieces_of_file(named: tuple[str, bytes]) -> tuple[dict[str, Any], list[memoryview]]:
    name, data = named
    kind = _TYPES.get(name.rpartition(".")[2].lower().replace("jpg", "jpeg").replace("tif", "tiff"), "")
    return {"name": name, "bytes": len(data), "type": kind or "application/octet-stream"}, [memoryview(data)]
