"""Picture formats: names, file endings, and the pixels that each can hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from denoise_cli.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    Attributes:
        name: What the user writes after `--format`.
        suffixes: File name endings, the usual one first.
        depths: Bits per colour value that can be written, the one for other depths last; 32 is float.
        alpha: Whether it holds transparency.
        lossy: Whether it takes a quality.
        loader: libvips loader, or empty where another library reads it.
    """

    name: str
    suffixes: tuple[str, ...]
    depths: tuple[int, ...]
    alpha: bool
    lossy: bool
    loader: str


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("png", (".png",), (8, 16), alpha=True, lossy=False, loader="pngload"),
        Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), (8,), alpha=False, lossy=True, loader="jpegload"),
        Format("tiff", (".tif", ".tiff"), (8, 32, 16), alpha=True, lossy=False, loader="tiffload"),
        Format("webp", (".webp",), (8,), alpha=True, lossy=True, loader="webpload"),
        Format("avif", (".avif",), (8, 12, 10), alpha=True, lossy=True, loader="heifload"),
        Format("heic", (".heic", ".heif"), (8, 12, 10), alpha=True, lossy=True, loader="heifload"),
        Format("bmp", (".bmp",), (8,), alpha=False, lossy=False, loader=""),
    )
}
SNIFFED = 64
# First bytes of files that are pictures, but cannot be read.
_OTHERS = {
    **{b"GIF8": "GIF", b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"8BPS": "Photoshop"},
    **{b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"II\xbc\1": "JPEG XR"},
    **{b"v/1\1": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"SIMPLE  =": "FITS", b"DDS ": "DDS"},
    **{b"gimp xcf": "GIMP", b"%PDF": "PDF", b"%!PS": "PostScript", b"<svg": "SVG", b"qoif": "QOI"},
    **{b"%s%s" % (kind, end): "PNM" for kind in (b"P4", b"P5", b"P6", b"P7") for end in (b"\n", b" ", b"\r")},
}
SUFFIXES = {suffix: entry for entry in FORMATS.values() for suffix in entry.suffixes}


def format_of(path: Path) -> Format:
    """The format of a file name's ending; or `UnknownName`."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UnknownName("picture format", path.suffix or path.name, sorted(SUFFIXES))
    return kind


def sniff(head: bytes) -> Format | None:
    """The format of a file by its first `SNIFFED` bytes."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FORMATS["png"]
    if head.startswith(b"\xff\xd8\xff"):
        return FORMATS["jpeg"]
    if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return FORMATS["tiff"]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return FORMATS["webp"]
    if head[4:8] == b"ftyp":
        brands = head[8:64]
        return FORMATS["avif" if b"avif" in brands or b"avis" in brands else "heic"]
    return FORMATS["bmp"] if head.startswith(b"BM") else None


def other_format(head: bytes) -> str | None:
    """What a picture is that cannot be read, by its first `SNIFFED` bytes; None where it is none."""
    return next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)


def show(path: Path) -> str:
    """A path for people: bytes that are not UTF-8 and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
