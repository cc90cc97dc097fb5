"""Say what `denoise compare --train` is about to do: cells, classifiers, hours, disk space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from denoise_cli.config import CompareConfig
from denoise_cli.devices import device_name, resolve_device
from denoise_cli.errors import counted
from denoise_cli.text import duration
from denoise_cli.training.estimate import Estimate, Estimator
from denoise_cli.training.plan_grid import PlannedRun, plan_cells, training_folder
from denoise_cli.training.plan_guidance import plan_guided


def describe_plan(config: CompareConfig) -> Iterator[str]:
    """The plan as lines for the user: first what is to train, then what that takes.

    For the latter, a few steps of each kind of network are measured.

    Raises:
        ConfigError: A recipe is wrong.
    """
    planned, wanted = plan_guided(config) if config.guidance else plan_cells(config)
    folder = training_folder(config)
    cells = [item for item in planned if not item.config.is_classifier]
    there = f"{wanted - len(cells)} of {counted(wanted, 'run')} of this comparison"
    if not planned:
        yield f"Plan: nothing to train; {there} are finished in {folder}."
        return
    yield f"Plan: {there} are finished in {folder}; to train: {_names(cells) or 'none'}."
    classifiers = [item for item in planned if item.config.is_classifier]
    if classifiers:
        yield f"Classifiers that they need, trained first: {_names(classifiers)}."
    estimator = Estimator()
    estimates = [estimator.estimate(item.config) for item in planned]
    yield _time_line(config, estimates)
    yield _disk_line(folder, estimates)


def _names(items: Sequence[PlannedRun]) -> str:
    """How many runs, and which; those that go on are marked."""
    names = [f"{item.config.folder.name}{' (goes on)' if item.resume else ''}" for item in items]
    return f"{counted(len(names), 'run')} ({', '.join(names)})" if names else ""


def _time_line(config: CompareConfig, estimates: Sequence[Estimate]) -> str:
    known = [each.seconds for each in estimates if each.seconds is not None]
    if len(known) < len(estimates):
        return "Time: not known, since the images are not there."
    device = device_name(resolve_device(config.device))
    return (
        f"Training time: about {duration(sum(known))} in one process on {device}, from a few steps of each "
        "network measured now; other work on the machine makes it longer."
    )


def _disk_line(folder: Path, estimates: Sequence[Estimate]) -> str:
    needed = sum(each.disk for each in estimates)
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    short = " That is not enough." if needed > free else ""
    return f"Disk space: about {needed / 1e6:,.0f} MB of {free / 1e9:,.1f} GB that are free.{short}"
