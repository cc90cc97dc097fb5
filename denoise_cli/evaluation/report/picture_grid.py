"""Grids of pictures with captions; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from denoise_cli.files import atomic_write_path
from denoise_cli.text import printable

if TYPE_CHECKING:
    from torch import Tensor

_GAP = 4
_LINE = 16
_SHORTEST = 160


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and the lines above it."""

    picture: Image.Image
    lines: tuple[str, ...] = ()


def lay_out(rows: Sequence[Sequence[Captioned]]) -> Image.Image:
    """One picture of all cells: columns of one width, each row as high as its highest cell."""
    columns = max(len(row) for row in rows)
    width = max(cell.picture.width for row in rows for cell in row)
    heads = [_LINE * max(len(cell.lines) for cell in row) for row in rows]
    heights = [max(cell.picture.height for cell in row) for row in rows]
    size = (width + _GAP) * columns - _GAP, sum(heads) + sum(heights) + _GAP * (len(rows) - 1)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    top = 0
    for row, head, height in zip(rows, heads, heights, strict=True):
        for column, cell in enumerate(row):
            left = column * (width + _GAP)
            for number, line in enumerate(cell.lines):
                text = _fitting(printable(line), width)
                draw.text((left + 1, top + number * _LINE), text, fill="black", font=_font())
            sheet.paste(cell.picture, (left, top + head))
        top += head + height + _GAP
    return sheet


def enlarged(pixels: np.ndarray, side: int) -> Image.Image:
    """Pixels (H, W, 3), uint8, times the whole factor that brings the shorter side nearest to `side`."""
    factor = max(1, round(side / min(pixels.shape[:2])))
    return Image.fromarray(np.repeat(np.repeat(pixels, factor, 0), factor, 1))


def save_grid(path: Path, columns: Mapping[str, Sequence[Tensor]]) -> None:
    """Write a picture with one titled column per entry and one row per image.

    Args:
        path: PNG file to write.
        columns: Float tensors (3, H, W) in [0, 1] by title; a row's images have one size.
            Small images are enlarged by whole factors, without smoothing.
    """
    rows = list(zip(*columns.values(), strict=True))
    cells = [
        [
            Captioned(enlarged(_pixels(picture), _SHORTEST), (title,) if number == 0 else ())
            for title, picture in zip(columns, row, strict=True)
        ]
        for number, row in enumerate(rows)
    ]
    with atomic_write_path(path) as temporary:
        lay_out(cells).save(temporary)


def _pixels(picture: Tensor) -> np.ndarray:
    values = picture.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return np.ascontiguousarray(values.numpy())


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of the charts, which has most alphabets."""
    path = files("matplotlib") / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    try:
        return ImageFont.truetype(str(path), 12)
    except OSError:
        return ImageFont.load_default(12)


def _fitting(text: str, width: int) -> str:
    """The text, cut to a width in pixels."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
