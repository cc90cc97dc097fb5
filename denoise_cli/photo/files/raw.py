"""Recognise camera raw files, whose readable part is no more than a preview."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.tiff_directory import Directory

_SUFFIXES = {
    *(".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".cs1", ".dcr", ".dcs", ".dng"),
    *(".drf", ".eip", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mos", ".mrw"),
    *(".nef", ".nrw", ".orf", ".ori", ".pef", ".ptx", ".pxn", ".r3d", ".raf", ".raw", ".rw2", ".rwl"),
    *(".rwz", ".sr2", ".srf", ".srw", ".x3f"),
}
_DNG_VERSION, _PHOTOMETRIC = 50706, 262
_SENSOR = {32803, 34892}  # colour filter array, linear raw
_MAGIC = (
    *(b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"ARRI"),
    *(b"II\x1a\0\0\0HEAPCCDR", b"IIIITGIR", b"IIIICWAR", b"MMMMRAWT"),
)


def is_raw_name(path: Path) -> bool:
    """Whether a file's name ends as those of camera raw files do."""
    return path.suffix.lower() in _SUFFIXES


def is_raw_head(head: bytes) -> bool:
    """Whether a file starts as camera raw files do that are not plain TIFF files."""
    canon = head[8:10] == b"CR" and head[:2] in {b"II", b"MM"}
    return head.startswith(_MAGIC) or canon or (head[4:8] == b"ftyp" and head[8:12] == b"crx ")


def is_raw_directory(directory: Directory) -> bool:
    """Whether a directory of a TIFF file is of a camera raw file."""
    return _DNG_VERSION in directory or directory.number(_PHOTOMETRIC, 0) in _SENSOR


class CameraRawError(ImageError):
    """A file is a camera raw file, which nothing here has developed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is a camera raw file, which must be developed first.",
            "Install what develops it: pip install rawpy; or develop it to a 16-bit TIFF with darktable, "
            "RawTherapee or the camera's own program.",
        )
