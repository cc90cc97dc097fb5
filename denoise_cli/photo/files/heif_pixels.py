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
            unit, most = (256, 65535) if image.format == "ushort" else (1, 255)
            scale = most / (219 * unit)
            colour = colour.linear(scale, -16 * unit * scale).rint().cast(image.format)
            return _grey(colour, image, kind)
        image = _grey(colour, image, kind)
    if image.format == "ushort":
        # libvips moves the bits to the top and leaves those below empty.
        bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 16
        image = (image | (image >> bits)).copy(interpretation=image.interpretation)
    return image


def _grey(colour: pyvips.Image, image: pyvips.Image, kind: str) -> pyvips.Image:
    """One channel of a picture, with its alpha."""
    joined = colour if image.bands == 3 else colour.bandjoin(image[3])
    return joined.copy(interpretation="grey16" if kind == "rgb16" else "b-w")


@cache
def _widens() -> bool:
    """Whether this libheif itself widens the range of grey pictures; that of libvips 8.18 does not."""
    return bool(pyvips.Image.heifload_buffer(base64.b64decode(_WHITE))(0, 0)[0] > 245)
