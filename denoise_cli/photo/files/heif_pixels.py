"""Pixels of AVIF and HEIC files as the files mean them, where libvips or libheif hands out others."""

from __future__ import annotations

import base64
from contextlib import closing
from functools import cache
from pathlib import Path

import pyvips

from denoise_cli.photo.files.metadata.carry import opened
from denoise_cli.photo.files.metadata.heif import look_at

# A white square whose brightness is stored as 235 of 255.
_WHITE = (
    "AAAAHGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZgAAAOltZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "AA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAAQ0AAAAcAAAAKGlpbmYAAAAAAAEAAAAaaW5mZQIAAAAAAQAAYXYw"
    "MUNvbG9yAAAAAGhpcHJwAAAASWlwY28AAAAUaXNwZQAAAAAAAAAIAAAACAAAAA5waXhpAAAAAAEIAAAADGF2MUOBABwAAAAAE2Nv"
    "bHJuY2x4AAEADQAGAAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAJG1kYXQSAAoIGAi/aYCGgxAyDhlGIYeeaACQQMqfi2oo"
)


def as_meant(image: pyvips.Image, source: Path | bytes) -> pyvips.Image:
    """Grey pictures have one channel, and their narrow range is widened; white of 10 bits is white of 16."""
    with closing(opened(source)) as file:
        seen = look_at(file)
    kind = image.interpretation
    if seen.grey and image.bands in {3, 4}:
        colour = image[0]
        if seen.narrow and not _widens():
            return _grey(widened(colour), image, kind)
        image = _grey(colour, image, kind)
    return filled(image) if image.format == "ushort" else image


def widened(colour: pyvips.Image) -> pyvips.Image:
    """Brightness from 16 to 235 of 255 as brightness of the full range."""
    unit, most = (256, 65535) if colour.format == "ushort" else (1, 255)
    scale = most / (219 * unit)
    return colour.linear(scale, -16 * unit * scale).rint().cast(colour.format)


def filled(image: pyvips.Image) -> pyvips.Image:
    """16 bits whose lower ones repeat the upper ones; libvips and libheif leave them empty."""
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 16
    return (image | (image >> bits)).copy(interpretation=image.interpretation)


def _grey(colour: pyvips.Image, image: pyvips.Image, kind: str) -> pyvips.Image:
    """One channel of a picture, with its alpha."""
    joined = colour if image.bands == 3 else colour.bandjoin(image[3])
    return joined.copy(interpretation="grey16" if kind == "rgb16" else "b-w")


@cache
def _widens() -> bool:
    """Whether this libheif itself widens the range of grey pictures; that of libvips 8.18 does not."""
    return bool(pyvips.Image.heifload_buffer(base64.b64decode(_WHITE))(0, 0)[0] > 245)
