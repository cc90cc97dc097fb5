"""Figures with names in any script."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from denoise_cli.evaluation.report.figure import save_figure


def with_title(text: str) -> Figure:
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.subplots().set_title(text)
    return figure


def test_characters_without_a_glyph_are_drawn_without_a_word(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Glyph"):
        with_title("猫と犬").savefig(tmp_path / "a.png")
    save_figure(with_title("猫と犬"), tmp_path / "b.png", dpi=50)  # Warnings are errors here.
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (150, 100)
