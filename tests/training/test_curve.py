"""The picture of a run's loss and score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from denoise_cli.runs import RunFolder
from denoise_cli.training.curve import draw_curve, loss_scale


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([0.5, 0.02, 0.003], "log"), ([-12.0, -20.0, -24.5], "linear"), ([1.0, 0.0, -1.0], "linear")],
)
def test_losses_that_are_negative_have_a_linear_axis(losses: list[float], scale: str, tmp_path: Path) -> None:
    """`loss: psnr` is negative decibels, of which there is no logarithm: matplotlib would warn."""
    assert loss_scale(losses) == scale
    rows = [{"event": "train", "step": step, "loss": loss} for step, loss in enumerate(losses)]
    rows.append({"event": "validation", "step": 2, "psnr": 24.0})
    run = RunFolder(tmp_path)
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    draw_curve(run)
    with Image.open(run.curve) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = (np.abs(pixels - (31, 119, 180)).max(2) < 8)[:, 100:-100]
    # The line falls from the left to the right.
    columns = np.nonzero(blue.any(0))[0]
    assert columns[-1] - columns[0] > 300
    first, last = (np.nonzero(blue[:, column])[0].mean() for column in (columns[0], columns[-1]))
    assert last > first + 100


def test_a_run_without_a_validation_has_no_curve(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text(json.dumps({"event": "train", "step": 1, "loss": 0.5}) + "\n")
    draw_curve(run)
    assert not run.curve.exists()
