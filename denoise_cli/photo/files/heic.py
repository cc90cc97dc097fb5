"""Decode HEIC files by libheif (`pip install 'denoise-cli[heic]'`), where libvips has no decoder for them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE
from threading import Event, Timer

import numpy as np
import pyvips

from denoise_cli.errors import ImageError
from denoise_cli.photo.files import heic_process
from denoise_cli.photo.files.heif_header import check_decoded
from denoise_cli.photo.files.heif_pixels import filled, widened
from denoise_cli.photo.files.limits import Limits
from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.metadata.heif import look_at

# A large photo takes a few; damaged ones may take for ever.
_SECONDS = 60
_COLOURS = {(1, "uchar"): "b-w", (1, "ushort"): "grey16", (3, "uchar"): "srgb", (3, "ushort"): "rgb16"}


def can_decode() -> bool:
    """Whether the package that decodes HEIC files is installed."""
    return find_spec("pi_heif") is not None


def is_ours(source: Path | bytes) -> bool:
    """Whether the package is installed and the picture is in HEVC, the only codec that it decodes."""
    with closing(opened(source)) as file:
        return can_decode() and look_at(file).hevc


def decode(source: Path | bytes, limits: Limits) -> pyvips.Image:
    """The pixels of a HEIC file as libvips would give them: upright, 8 or 16 bits, alpha not premultiplied.

    Decoded in a process of its own: some damaged files crash the decoder, or write over its memory.

    Raises:
        ImageError: Damaged, or too large.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    # -P: the modules beside it are not to be taken for libraries of their names.
    command = [sys.executable, "-P", heic_process.__file__]
    with (
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process,
        _ended_after(process, _SECONDS) as late,
    ):
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        try:
            process.stdin.write(len(data).to_bytes(8, "big") + data)
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            # As the decoder sees it, which need not be what the check of the boxes saw.
            check_decoded(limits, *found["size"], deep=found["bits"] > 8)
            process.stdin.write(b"!")
            process.stdin.close()
            pixels = np.load(io.BytesIO(process.stdout.read()))
        except (ValueError, OSError, EOFError) as error:
            reason = f"its decoder took more than {_SECONDS} s" if late.is_set() else _reason(process)
            raise ImageError(f"{limits.name} is a damaged HEIC file ({reason}).") from error
        finally:
            with suppress(OSError):  # Again, where the process ended before it had read all.
                process.stdin.close()
            process.kill()
    image = pyvips.Image.new_from_array(pixels)
    image = _as_meant(image, source, multiplied=found["premultiplied"])
    image.set_type(pyvips.GValue.gint_type, "bits-per-sample", found["bits"])
    return filled(image) if image.format == "ushort" else image


@contextmanager
def _ended_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[Event]:
    """Kill the process when its time is over; yields what is set then."""
    late = Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = Timer(seconds, end)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _reason(process: subprocess.Popen[bytes]) -> str:
    """Why a process that said nothing more has ended."""
    assert process.stderr is not None
    lines = process.stderr.read().decode(errors="replace").split("\n")
    return "its decoder crashed" if process.wait() < 0 else lines[-2] if len(lines) > 1 else "cut short"


def _as_meant(image: pyvips.Image, source: Path | bytes, *, multiplied: bool) -> pyvips.Image:
    """Grey of the full range, which libheif hands out as it is stored, and colours without their alpha."""
    with closing(opened(source)) as file:
        seen = look_at(file)
    kind = _COLOURS[1 if image.bands < 3 else 3, image.format]
    if image.bands < 3 and seen.narrow:
        grey = widened(image[0])
        image = grey if image.bands == 1 else grey.bandjoin(image[1])
    if multiplied:
        most = 65535 if image.format == "ushort" else 255
        image = image.unpremultiply(max_alpha=most).rint().cast(image.format)
    return image.copy(interpretation=kind)
