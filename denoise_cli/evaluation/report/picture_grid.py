"""Grids of pictures: original, noisy, denoised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from denoise_cli.files import atomic_write_path

_GAP = 4
_HEAD = 18
_SHORTEST = 160


def save_grid(path: Path, columns: Mapping[str, Sequence[Tensor]]) -> None:
    """Write a picture with one titled column per entry and one row per image.

    Args:
        path: PNG file to write.
        columns: Float tensors (3, H, W) in [0, 1] by title; a row's images have one size.
            Small images are enlarged by whole factors, without smoothing.
    """
    rows = list(zip(*columns.values(), strict=True))
    factor = max(1, round(_SHORTEST / min(rows[0][0].shape[-2:])))
    cells = [[_to_image(picture, factor) for picture in row] for row in rows]
    width = max(cell.width for row in cells for cell in row)
    height = sum(max(cell.height for cell in row) + _GAP for row in cells)
    sheet = Image.new("RGB", ((width + _GAP) * len(columns) - _GAP, _HEAD + height - _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for number, title in enumerate(columns):
        draw.text((number * (width + _GAP) + 2, 2), title, fill="black", font=font)
    top = _HEAD
    for row in cells:
        for number, cell in enumerate(row):
            sheet.paste(cell, (number * (width + _GAP), top))
        top += max(cell.height for cell in row) + _GAP
    with atomic_write_path(path) as temporary:
        sheet.save(temporary)


def _to_image(picture: Tensor, factor: int) -> Image.Image:
    values = picture.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(np.repeat(np.repeat(values, factor, 0), factor, 1))
