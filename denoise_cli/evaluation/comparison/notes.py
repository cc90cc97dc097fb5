"""What a reader of a comparison must know beside its tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from denoise_cli.config import CompareConfig
from denoise_cli.data.source import Images
from denoise_cli.errors import counted, left_out
from denoise_cli.evaluation.comparison import classical
from denoise_cli.evaluation.comparison.benchmark import RULES, count_grey
from denoise_cli.evaluation.comparison.published import awgn_rows
from denoise_cli.evaluation.comparison.results import Cell
from denoise_cli.evaluation.comparison.tuning import Tuned
from denoise_cli.noise.spec import REAL
from denoise_cli.weights.store import list_bundled


def notes_of(
    cells: Sequence[Cell],
    config: CompareConfig,
    source: Images,
    *,
    share: str | None,
    tuned: Tuned,
    leaks: Sequence[str],
) -> list[str]:
    """One line each.

    Args:
        share: Whether the images are the study's test set (`whole`), a `part` of it, or neither.
        tuned: How the classical methods were tuned.
        leaks: Which images are scored, and who was trained on them.
    """
    return [
        *_notes_on_data(config, source, share, tuned),
        *_left_out_notes(cells),
        *leaks,
        *_bundled_notes(cells),
    ]


def _notes_on_data(config: CompareConfig, source: Images, share: str | None, tuned: Tuned) -> list[str]:
    notes = [RULES[config.benchmark]] if config.benchmark is not None else []
    notes += [tuned.note] if tuned.note else []
    if config.baselines:
        notes += classical.notes(
            [noise for noise in config.noise if noise != REAL.name or not tuned.settings]
        )
    grey = count_grey(source)
    if (
        config.benchmark == "awgn"
        and config.data.limit is not None
        and not grey
        and awgn_rows(config.data.dataset)
    ):
        notes.append(f"Published rows are for the whole test set, ours for {len(source)} of its images.")
    if 0 < grey < len(source) and config.noise != (REAL.name,):
        notes.append(f"Grey images: {grey} of {len(source)}; their noise is coloured, as on colour images.")
    if share == "part" and config.protocol == "paper":
        notes.append(
            "Published values are for the 8,000 STL-10 test images; ours are for "
            f"{counted(len(source), 'image')} of {config.data.dataset}, a part of STL-10, so the difference "
            "is not exact."
        )
    if source.groups is not None:
        count = len(np.unique(source.groups.numpy()))
        units = f"{counted(count, 'scene')} of the {counted(len(source), 'pair')}"
        if source.noisy is None:
            units = f"{counted(count, 'photograph')} that the {counted(len(source), 'image')} came from"
        notes.append(f"Intervals are over the {units}." if count > 1 else f"No intervals: {units}.")
    elif len(source) == 1:
        notes.append("One image: no interval.")
    if source.skipped:
        notes.append(f"{left_out(len(source.skipped))}, such as {source.skipped[0]}")
    return notes


def _left_out_notes(cells: Sequence[Cell]) -> list[str]:
    """How many images have no finite score, by method and noise."""
    notes = []
    for cell in cells:
        counts = {"PSNR": cell.psnr_left_out, "SSIM": cell.ssim_left_out}
        parts = [
            f"{counted(count, 'image')} without a finite {name}" for name, count in counts.items() if count
        ]
        if parts:
            setting = ", BN off" if cell.batch_norm is False else ""
            notes.append(
                f"{cell.method}{setting} under {cell.noise}: {', '.join(parts)}; left out of the mean."
            )
    return notes


def _bundled_notes(cells: Sequence[Cell]) -> list[str]:
    """What must be said of bundled weights beside published values, and of folded batch norm."""
    used = {run.sha256 for cell in cells for run in cell.runs}
    bundled = [entry for entry in list_bundled() if entry.card.sha256 in used]
    notes = []
    if bundled and any(cell.published_psnr is not None for cell in cells):
        notes.append(
            "The bundled weights were not trained as the study's were (other images, noises and steps), so "
            "their differences to the published values do not show how well the study is reproduced."
        )
    if any(entry.starts_from_folded_batch_norm for entry in bundled):
        notes.append(
            "The bundled weights without batch norm began as those with it, folded into the convolutions, so "
            "their differences say little of batch norm; --train compares networks that had or lacked it "
            "from the start."
        )
    return notes
