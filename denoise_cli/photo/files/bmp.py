"""BMP files, which libvips neither reads nor writes: every kind but those with another format inside."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from denoise_cli.errors import ImageError
from denoise_cli.photo.files.bmp_runs import decode_runs
from denoise_cli.photo.files.limits import Limits

_PLAIN, _RUNS_8, _RUNS_4, _MASKS, _ALPHA_MASKS = 0, 1, 2, 3, 6
_INSIDE = {4: "JPEG", 5: "PNG"}
# Red, green, blue, alpha where the file names none.
_USUAL_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
_OLD_HEADER, _USUAL_HEADER = 12, 40
# Others with these numbers for a coding are of OS/2, where they mean something else.
_MASK_HEADERS = {_USUAL_HEADER, 52, 56, 108, 124}
# As libvips has it; also what is no resolution.
_MOST_PER_METRE = 1_000_000_000
# Rows that are unpacked at a time.
_ROWS = 64


@dataclass(frozen=True, slots=True)
class _Header:
    """The header of a BMP file.

    Attributes:
        width, height: In pixels.
        upwards: Whether the last row comes first.
        bits, coding: Per pixel, and how pixels are stored.
        place: Of the pixels in the file.
        masks: Bits of red, green, blue and alpha in a pixel.
        palette: (colours, 3), as RGB; no colours where pixels hold their own.
        resolution: Pixels per millimetre.
    """

    width: int
    height: int
    upwards: bool
    bits: int
    coding: int
    place: int
    masks: tuple[int, ...]
    palette: NDArray[np.uint8]
    resolution: tuple[float, float]

    @property
    def stride(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4


def read_bmp(file: BinaryIO, limits: Limits) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Pixels (H, W, 1, 3 or 4) and resolution in pixels per millimetre of a BMP file.

    Raises:
        ImageError: Damaged, too large, or not supported.
    """
    try:
        header = _read_header(file, limits)
        if header.coding in {_RUNS_8, _RUNS_4}:
            limits.check_held("a run-length encoded BMP file", header.width, header.height, 8)
            file.seek(header.place)
            rows = decode_runs(file.read(), header.width, header.height, header.bits)
        else:
            limits.check_size(header.width, header.height)
            if header.place + header.stride * header.height > limits.stored:
                raise ImageError(f"{limits.name} is a BMP file that ends early.")
            file.seek(header.place)
            stored = np.frombuffer(file.read(header.stride * header.height), np.uint8)
            rows = stored.reshape(header.height, header.stride)
        return _unpack(rows[::-1] if header.upwards else rows, header), header.resolution
    except (struct.error, ValueError, IndexError) as error:
        raise ImageError(f"{limits.name} is a damaged BMP file.") from error


def _read_header(file: BinaryIO, limits: Limits) -> _Header:
    file.seek(10)
    place, length = struct.unpack("<II", file.read(8))
    data = file.read(min(length, 256) - 4)
    coding, colours, metre = _PLAIN, 0, [1000, 1000]
    if length == _OLD_HEADER:
        width, height, _, bits = struct.unpack("<HHHH", data)
    else:
        width, height, _, bits = struct.unpack("<iiHH", data[:12])
        # Short headers of OS/2 leave out what follows.
        coding, _, *given, colours = struct.unpack("<IIiiI", data.ljust(36, b"\0")[12:32])
        metre = [value if 0 < value < _MOST_PER_METRE else 1000 for value in given]
    if coding in _INSIDE and length >= _USUAL_HEADER:
        kind = _INSIDE[coding]
        raise ImageError(f"{limits.name} is a BMP file with a {kind} file in it, which is not supported.")
    known = {_PLAIN, {8: _RUNS_8, 4: _RUNS_4}.get(bits, _PLAIN)}
    known |= {_MASKS, _ALPHA_MASKS} if bits in _USUAL_MASKS and length in _MASK_HEADERS else set()
    if bits not in {1, 2, 4, 8, 16, 24, 32} or coding not in known:
        raise ImageError(
            f"{limits.name} is a BMP file of {bits} bits and coding {coding}, which is not supported."
        )
    masks = _USUAL_MASKS.get(bits, ())
    if coding in {_MASKS, _ALPHA_MASKS}:
        # They follow the shortest header, and are part of longer ones.
        found = file.read(16 if coding == _ALPHA_MASKS else 12) if length == _USUAL_HEADER else data[36:52]
        masks = struct.unpack("<IIII", found.ljust(16, b"\0"))
    palette = np.empty((0, 3), np.uint8)
    if bits <= 8:
        entry = 3 if length == _OLD_HEADER else 4
        count = min(colours or 1 << bits, 1 << bits)
        stored = file.read(min(count * entry, max(place - file.tell(), 0)))
        listed = np.frombuffer(stored[: len(stored) // entry * entry], np.uint8).reshape(-1, entry)
        palette = listed[:, 2::-1]
    size = (width, abs(height), height > 0)
    return _Header(*size, bits, coding, place, masks, palette, (metre[0] / 1000, metre[1] / 1000))


def _unpack(rows: NDArray[np.uint8], header: _Header) -> NDArray[np.uint8]:
    """Colours (H, W, C) of stored rows, or of rows of palette numbers that are a byte each."""
    palette = header.palette
    if (palette == palette[:, :1]).all():
        palette = palette[:, :1]
    alpha = len(header.masks) == 4 and header.masks[3] != 0
    channels = palette.shape[1] if header.bits <= 8 else 3 + alpha
    result = np.empty((header.height, header.width, channels), np.uint8)
    for top in range(0, header.height, _ROWS):
        part, out = rows[top : top + _ROWS], result[top : top + _ROWS]
        if header.bits <= 8:
            out[:] = palette[_numbers(part, header)]
        elif header.bits == 24:
            out[:] = part[:, : 3 * header.width].reshape(out.shape)[..., ::-1]
        else:
            words = np.ascontiguousarray(part).view("<u2" if header.bits == 16 else "<u4")[:, : header.width]
            for channel in range(out.shape[2]):
                out[..., channel] = _masked(words, header.masks[channel])
    # Some programs name an alpha channel and leave it empty.
    if alpha and not result[..., 3].any():
        return np.ascontiguousarray(result[..., :3])
    return result


def _numbers(rows: NDArray[np.uint8], header: _Header) -> NDArray[np.uint8]:
    """Palette numbers (h, W)."""
    if header.bits < 8 and header.coding == _PLAIN:
        shifts = np.arange(8 - header.bits, -1, -header.bits, dtype=np.uint8)
        split = rows[..., None] >> shifts & np.uint8((1 << header.bits) - 1)
        rows = split.reshape(len(rows), -1)
    return rows[:, : header.width]


def _masked(words: NDArray[Any], mask: int) -> NDArray[Any]:
    """The values under a mask, as 0 to 255."""
    if not mask:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    if most & (most + 1):
        raise ValueError("a mask with gaps")
    values = words >> shift & most
    return values if most == 255 else np.rint(values * (255 / most))


def write_bmp(path: Path, pixels: NDArray[Any], resolution: tuple[float, float]) -> None:
    """Write uint8 pixels (H, W, 1 or 3); `resolution` is in pixels per millimetre."""
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.save(path, format="BMP", dpi=(resolution[0] * 25.4, resolution[1] * 25.4))
