"""Build colour profiles from what some containers say in numbers: primaries and a transfer function."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

# White, red, green and blue as CIE xy, by their number in ITU-T H.273.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
# Exponents; 0 is sRGB's curve, with which pictures of the curve of video are shown too.
_TRANSFERS = {1: 0.0, 2: 0.0, 4: 2.2, 5: 2.8, 6: 0.0, 8: 1.0, 13: 0.0, 14: 0.0, 15: 0.0}
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def is_srgb(cicp: tuple[int, int]) -> bool:
    """Whether these primaries and this transfer function are shown as sRGB or say nothing."""
    return cicp[0] in {1, 2} and _TRANSFERS.get(cicp[1]) == 0.0


def profile_of(cicp: tuple[int, int], grey: bool) -> bytes:
    """The equal profile; empty where there is none, as for the transfer functions of HDR."""
    points, exponent = _PRIMARIES.get(cicp[0]), _TRANSFERS.get(cicp[1])
    if points is None and cicp[0] == 2:
        points = _PRIMARIES[1]
    return b"" if points is None or exponent is None else build_profile(points, exponent, grey=grey)


def for_colour(profile: bytes) -> bytes:
    """A profile of grey pictures for those that store grey as three equal channels; others as they are."""
    if profile[16:20] != b"GRAY":
        return profile
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for place in range(132, 132 + 12 * min(count, 100), 12):
            name, start, size = struct.unpack_from(">4sII", profile, place)
            if name == b"kTRC":
                return _profile(_PRIMARIES[1], profile[start : start + size], grey=False)
    except struct.error:
        return b""
    return b""


def build_profile(points: Sequence[float], exponent: float, *, grey: bool) -> bytes:
    """An ICC profile of version 4.

    Args:
        points: CIE x and y of white, red, green and blue; empty result where they span no gamut.
        exponent: Of the transfer function; 0 is sRGB's.
        grey: For one channel.
    """
    curve = struct.pack(">HH", 3, 0) + _fixed(*_SRGB_CURVE) if not exponent else bytes(4) + _fixed(exponent)
    return _profile(points, b"para" + bytes(4) + curve, grey=grey)


def _profile(points: Sequence[float], curve: bytes, *, grey: bool) -> bytes:
    if not all(y > 0 for y in points[1::2]):
        return b""
    white, *primaries = (
        np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(*[iter(points)] * 2, strict=True)
    )
    columns = np.stack(primaries, 1)
    if abs(np.linalg.det(columns)) < 1e-6:
        return b""
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD
    colours = adapt @ (columns * np.linalg.solve(columns, white))
    tags = {
        b"desc": _text("Colours of the photo"),
        b"cprt": _text("No copyright"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*adapt.ravel()),
    }
    if grey:
        tags[b"kTRC"] = curve
    else:
        for letter, colour in zip((b"r", b"g", b"b"), colours.T, strict=True):
            tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(*colour)
            tags[letter + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    space = b"GRAY" if grey else b"RGB "
    header = struct.pack(">I4sI", size, b"", 0x04300000) + b"mntr" + space + b"XYZ "
    # A fixed date, so that the same photo gives the same file.
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + table + body


def _fixed(*values: float) -> bytes:
    """Numbers with 16 bits after the point."""
    return b"".join(struct.pack(">i", max(-(2**31), min(2**31 - 1, round(v * 65536)))) for v in values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(data), 28) + data
