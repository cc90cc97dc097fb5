"""The example pictures of a comparison side by side; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from denoise_cli.evaluation.comparison.results import Example, Picture, Results, decode
from denoise_cli.evaluation.report.picture_grid import Captioned, enlarged, lay_out

# Side in pixels that small pictures and the crops are enlarged to, by whole factors.
_SIDE = 256


def draw_examples(results: Results) -> dict[str, Image.Image]:
    """A grid for each noise: a row per image, below it the zoomed crop with its own PSNR."""
    noises = dict.fromkeys(example.noise for example in results.examples)
    return {noise: _grid([e for e in results.examples if e.noise == noise]) for noise in noises}


def _grid(examples: Sequence[Example]) -> Image.Image:
    rows = []
    for example in examples:
        pairs = [_cells(picture, example.crop) for picture in example.pictures]
        rows += [[whole for whole, _ in pairs], [zoom for _, zoom in pairs]]
    return lay_out(rows)


def _cells(picture: Picture, crop: tuple[int, int, int]) -> tuple[Captioned, Captioned]:
    left, top, side = crop
    pixels = decode(picture.webp)
    whole = enlarged(pixels, _SIDE)
    factor = whole.width // pixels.shape[1]
    box = [factor * left, factor * top, factor * (left + side) - 1, factor * (top + side) - 1]
    ImageDraw.Draw(whole).rectangle(box, outline="red")
    zoom = enlarged(pixels[top : top + side, left : left + side], _SIDE)
    return (
        Captioned(whole, (picture.title, _decibel(picture.psnr))),
        Captioned(zoom, (f"crop {_decibel(picture.crop_psnr)}",)),
    )


def _decibel(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} dB"
