"""The state of a run that continues exactly where it stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from denoise_cli.errors import TrainingError
from denoise_cli.files import write_atomic

KEEP = 2
_NAME = re.compile(r"step-(\d+)\.pt")


@dataclass(slots=True)
class Checkpoint:
    """Everything that a later step depends on.

    Order, augmentation and noise of a step follow from (seed, step), so that no position in
    the data and no random state has to be stored.
    """

    step: int
    model: dict[str, Any]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None
    scaler: dict[str, Any] | None
    best: float | None
    seconds: float
    classes: tuple[str, ...] | None = None
    """Of the network; None in checkpoints of earlier versions, as in the next."""
    images: str | None = None
    """`Data.fingerprint`."""
    stale: int = 0
    """Validations since the best one."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `step-N.pt` whole or not at all, and drop all but the newest `KEEP`."""
    buffer = BytesIO()
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}, buffer)
    write_atomic(folder / f"step-{checkpoint.step:08d}.pt", buffer.getvalue())
    for old in list_checkpoints(folder)[:-KEEP]:
        old.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, or None where there is none.

    Raises:
        TrainingError: There are checkpoints, but none can be read.
    """
    paths = list_checkpoints(folder)
    for path in reversed(paths):
        try:
            return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception:  # torch's reader of damaged files raises whatever it stumbles over
            continue
    if paths:
        raise TrainingError(
            f"No checkpoint in {folder} can be read.", "Start the run again with --overwrite."
        )
    return None


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoint files, oldest first."""
    return sorted(path for path in folder.glob("step-*.pt") if _NAME.fullmatch(path.name))
