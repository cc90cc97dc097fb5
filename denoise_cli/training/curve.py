"""The loss and score curves of a run, as a picture in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from denoise_cli.files import atomic_write_path
from denoise_cli.runs import RunFolder


def draw_curve(run: RunFolder) -> None:
    """Draw `curve.png` from the run's log; nothing where too little is logged."""
    from matplotlib.figure import Figure

    losses = run.series("train", "loss")
    accuracy = run.series("validation", "accuracy")
    scores = accuracy or run.series("validation", "psnr")
    if not losses or not scores:
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.subplots()
    left.plot(*zip(*losses, strict=True), color="tab:blue", linewidth=0.8)
    left.set(xlabel="step", yscale=loss_scale([loss for _, loss in losses]))
    left.set_ylabel("training loss", color="tab:blue")
    right = left.twinx()
    right.plot(*zip(*scores, strict=True), "o-", color="tab:red")
    right.set_ylabel("validation accuracy" if accuracy else "validation PSNR (dB)", color="tab:red")
    with atomic_write_path(run.curve) as path:
        figure.savefig(path, dpi=110)


def loss_scale(losses: Sequence[float]) -> Literal["log", "linear"]:
    """The axis of the losses: linear where one is not positive, as in the decibels of `loss: psnr`."""
    return "log" if min(losses) > 0 else "linear"
