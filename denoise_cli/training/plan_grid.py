"""Train the missing cells of a comparison: `denoise compare --train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denoise_cli.config import ClassifyConfig, CompareConfig, RunConfig, TrainConfig, load_config
from denoise_cli.config.load import find_config
from denoise_cli.errors import ConfigError, DenoiseError
from denoise_cli.evaluation.comparison.cells import CellName, cell_names
from denoise_cli.models import denoiser_info
from denoise_cli.runs import RunFolder
from denoise_cli.training.signals import Interrupted
from denoise_cli.weights.store import bundled_name

TrainOne = Callable[[RunConfig, bool, bool], Any]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of the grid: of a cell, or of the classifier that its model needs.

    Attributes:
        resume: Whether its folder is there already.
    """

    cell: CellName
    config: RunConfig
    resume: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that a comparison needs.

    Attributes:
        flags: What its config has beside the cell's recipe, by dotted key.
    """

    cell: CellName
    seed: int
    flags: dict[str, Any] = field(default_factory=dict)


def training_folder(config: CompareConfig) -> Path:
    """The folder of a grid's runs: `weights`, or runs/RECIPE-DATASET."""
    dataset = Path(config.data.dataset).name.lower()
    return config.weights or Path("runs") / f"{Path(config.recipe).name}-{dataset}"


def train_grid(
    config: CompareConfig, train_one: TrainOne, note: Callable[[str], None]
) -> dict[CellName, str]:
    """Train all cells that have no finished run; returns why cells failed, for those that did.

    Arguments and errors as `train_planned`.
    """
    failed = train_planned(plan_cells(config)[0], train_one, note)
    # A model fails after the classifier that guides it, for the same reason.
    return {item.cell: why for item, why in reversed(failed)}


def plan_cells(config: CompareConfig) -> tuple[list[PlannedRun], int]:
    """The runs that are not finished, and how many the grid has; raises `ConfigError` for a wrong recipe."""
    wanted = [Wanted(cell, seed) for seed in config.train_seeds for cell in cell_names(config)]
    return list(plan(config, wanted)), len(wanted)


def train_planned(
    planned: Sequence[PlannedRun], train_one: TrainOne, note: Callable[[str], None]
) -> list[tuple[PlannedRun, str]]:
    """Train one after another; a run that fails does not stop the others.

    Args:
        train_one: Trains a config; its second argument says to resume, its third to overwrite.
        note: Called with a line on each run that begins.

    Returns:
        The runs that failed, and why.

    Raises:
        Interrupted: By a signal, after saving.
    """
    failed = []
    for number, item in enumerate(planned, 1):
        note(f"Run {number} of {len(planned)}: {item.config.folder}{', continued' if item.resume else ''}")
        try:
            train_one(item.config, item.resume, False)  # noqa: FBT003, a Callable has no keywords
        except Interrupted as error:
            error.hint = "Give the same command again to go on."
            raise
        except (DenoiseError, OSError, RuntimeError) as error:
            failed.append((item, f"Training {item.config.folder} failed: {error}"))
            note(failed[-1][1])
    return failed


def plan(config: CompareConfig, wanted: Sequence[Wanted]) -> Iterator[PlannedRun]:
    """The runs to do, a classifier before the models that it guides.

    Runs that were begun go on where they stopped; finished ones are left out.

    Raises:
        ConfigError: A recipe is wrong.
    """
    classifiers: set[Path] = set()
    for want in wanted:
        guide = denoiser_info(want.cell.model).classifier
        classifier = config.classifier
        if guide is not None and classifier is None:
            item = _plan_run(config, want, ClassifyConfig, f"classifier-{guide}", {})
            if item.config.folder not in classifiers and _is_needed(item):
                yield item
            classifiers.add(item.config.folder)
            classifier = str(item.config.folder)
        flags = want.flags | ({} if guide is None else {"classifier": classifier})
        item = _plan_run(config, want, TrainConfig, want.cell.model, flags)
        if _is_needed(item):
            yield item


def _plan_run(
    config: CompareConfig, want: Wanted, kind: type[RunConfig], recipe: str, more: Mapping[str, Any]
) -> PlannedRun:
    cell = want.cell
    # Only the study's two noises have recipes; any other noise takes the recipe of `basic`.
    noise = cell.noise if cell.noise in {"basic", "intense"} else "basic"
    flags: dict[str, Any] = {
        "data.dataset": config.data.dataset,
        "data.data_dir": config.data.data_dir,
        "noise": cell.noise,
        "seed": want.seed,
        "device": None if config.device == "auto" else config.device,
        "epochs": config.epochs,
        "steps": config.steps,
        **more,
    }
    file = f"{config.recipe}/{bundled_name(recipe, bool(cell.batch_norm))}-{noise}.yaml"
    try:
        find_config(file)
    except ConfigError as error:
        raise ConfigError(
            f"There is no recipe {file} to train {cell.model} by.",
            "Write it, and name its folder: --set recipe=FOLDER (see docs/adding-a-model.md).",
        ) from error
    fresh = load_config(kind, file, config.train_set, flags)
    folder = training_folder(config) / fresh.model_copy(update={"out": None}).folder.name
    stored = RunFolder(folder).config
    if stored.is_file():
        begun = load_config(kind, str(stored), config.train_set, {**flags, "out": folder})
        return PlannedRun(cell, _without_guide(begun), resume=True)
    return PlannedRun(cell, _without_guide(fresh.model_copy(update={"out": folder})), resume=False)


def _without_guide(config: RunConfig) -> RunConfig:
    """A plain model's config by the recipe of a guided one names no classifier."""
    if config.is_classifier or denoiser_info(config.model).classifier is not None:
        return config
    return config.model_copy(update={"classifier": None})


def _is_needed(item: PlannedRun) -> bool:
    """Whether a run is not there, not finished, or asked to become longer than it is."""
    run = RunFolder(item.config.folder)
    if not run.is_finished:
        return True
    stored = load_config(type(item.config), str(run.config), [], {"out": item.config.out})
    return stored.model_dump(exclude={"device"}) != item.config.model_dump(exclude={"device"})
