"""Write matplotlib's figures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, BinaryIO

from matplotlib.figure import Figure


def save_figure(figure: Figure, target: Path | BinaryIO, **options: Any) -> None:
    """Save a figure as `Figure.savefig` does; characters that its font lacks become boxes without a word.

    Names of classes, runs and files are in any script, and matplotlib brings no font for them all.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        figure.savefig(target, **options)
