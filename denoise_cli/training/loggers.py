"""Send the scores of a run to an experiment tracker as it trains: TensorBoard, Weights & Biases or Trackio.

Each package is optional and imported only where it is asked for. Tags are `train/loss`,
`train/learning_rate`, `train/images_per_second`, and `validation/` with the name of each score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from denoise_cli.config import RunConfig
from denoise_cli.errors import UsageError
from denoise_cli.runs import RunFolder

_PROJECT = "denoise"
_TITLES = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "trackio": "Trackio"}


class Logger(Protocol):
    """One run in a tracker."""

    def scores(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by tag, as of a step."""

    def picture(self, tag: str, path: Path, step: int) -> None:
        """A PNG file."""

    def close(self, *, failed: bool) -> None:
        """Write what is left; whether the run diverged or ended with an error."""


def check_logger(name: str | None) -> None:
    """Refuse a tracker whose package is not there, before any work; raises `UsageError`."""
    if name is not None and find_spec(name) is None:
        raise UsageError(
            f"{_TITLES[name]} is not installed.", f"Install it: pip install {name}; or leave out --log."
        )


def open_logger(config: RunConfig, run: RunFolder, step: int) -> Logger | None:
    """The tracker of a config, for a run that begins or goes on after `step`; None where it names none."""
    makers: dict[str, Callable[[RunConfig, RunFolder, int], Logger]] = {
        "tensorboard": _TensorBoard,
        "wandb": _WandB,
        "trackio": _Trackio,
    }
    return None if config.log is None else makers[config.log](config, run, step)


class _TensorBoard:
    """Event files in the run folder; what a resumed run does again replaces what it had done."""

    def __init__(self, config: RunConfig, run: RunFolder, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(run.tensorboard), purge_step=step + 1 if step else None)

    def scores(self, values: Mapping[str, float], step: int) -> None:
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, step)
        if any(tag.startswith("validation/") for tag in values):
            self._writer.flush()

    def picture(self, tag: str, path: Path, step: int) -> None:
        self._writer.add_image(tag, np.asarray(Image.open(path)), step, dataformats="HWC")

    def close(self, *, failed: bool) -> None:
        self._writer.close()


class _WandB:
    """A run of Weights & Biases, offline or not as its own settings say (`WANDB_MODE`)."""

    def __init__(self, config: RunConfig, run: RunFolder, step: int) -> None:
        import wandb

        self._package: Any = wandb
        self._run: Any = wandb.init(
            project=_PROJECT,
            name=run.path.name,
            id=_identity(run),
            resume="allow",
            dir=str(run.path),
            config=config.model_dump(mode="json"),
        )

    def scores(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, tag: str, path: Path, step: int) -> None:
        self._run.log({tag: self._package.Image(str(path))}, step=step)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class _Trackio:
    """A run of Trackio, on this machine unless its own settings name a Space."""

    def __init__(self, config: RunConfig, run: RunFolder, step: int) -> None:
        import trackio

        self._package: Any = trackio
        # Its runs are known by name, so the name tells runs of one folder's name apart.
        self._run: Any = trackio.init(
            project=_PROJECT,
            name=f"{run.path.name}-{_identity(run)}",
            resume="allow",
            config=config.model_dump(mode="json"),
            embed=False,
        )

    def scores(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, tag: str, path: Path, step: int) -> None:
        self._run.log({tag: self._package.Image(str(path))}, step=step)

    def close(self, *, failed: bool) -> None:
        self._run.finish()


def _identity(run: RunFolder) -> str:
    """The same for all sittings of a run, and another for the next run in its folder."""
    begun = next((row["time"] for row in run.events() if "time" in row), 0)
    return f"{round(1000 * begun):x}"
