"""The losses and scores of a run in its folder: curves as a picture, a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

from denoise_cli.files import atomic_write_path, write_atomic
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


def write_table(run: RunFolder) -> None:
    """Write `metrics.csv` from the run's log: a row for each logged event with numbers, in order."""
    rows = [row for row in run.events() if row["event"] in {"train", "validation"}]
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomic(run.table, text.getvalue().encode())


def loss_scale(losses: Sequence[float]) -> Literal["log", "linear"]:
    """The axis of the losses: linear where one is not positive, as in the decibels of `loss: psnr`."""
    return "log" if min(losses) > 0 else "linear"
