"""Train what a comparison of guidance needs: `denoise compare --guidance ... --train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

from denoise_cli.config import CompareConfig
from denoise_cli.data.held_out import Split
from denoise_cli.data.load import load_dataset
from denoise_cli.evaluation.comparison.cells import CellName
from denoise_cli.evaluation.scores.guidance_logits import true_classes
from denoise_cli.models.registry import unguided
from denoise_cli.training.plan_grid import PlannedRun, TrainOne, Wanted, plan, train_planned
from denoise_cli.weights.header import read_header
from denoise_cli.weights.store import find_weights


def train_guided(config: CompareConfig, train_one: TrainOne, note: Callable[[str], None]) -> dict[Path, str]:
    """Train all runs that are not finished; returns why runs failed, by their folders.

    All runs of a seed come before those of the next, so that an interrupted comparison has
    whole seeds. Arguments and errors as `train_planned`.

    Raises:
        DataError: `oracle` is asked for and the images have no labels that the classifier knows;
            found before anything is trained.
    """
    if "oracle" in config.guidance:
        _check_labels(config)
    planned, _ = plan_guided(config)
    return {item.config.folder: why for item, why in train_planned(planned, train_one, note)}


def plan_guided(config: CompareConfig) -> tuple[list[PlannedRun], int]:
    """The runs that are not finished, and how many there are; raises `ConfigError` for a wrong recipe."""
    wanted = list(_wanted(config))
    return list(plan(config, wanted)), len(wanted)


def _check_labels(config: CompareConfig) -> None:
    given = config.classifier
    known = None if given is None else read_header(find_weights(given)).classes
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        source = load_dataset(config.data.dataset, split, data_dir=config.data.data_dir)
        known = known or source.classes
        true_classes(source, known)


def _wanted(config: CompareConfig) -> Iterator[Wanted]:
    noises = config.train_noise or config.noise
    for seed, noise, batch_norm, model in product(
        config.train_seeds, noises, config.batch_norm, config.models
    ):
        cell = CellName(model, batch_norm, noise)
        # All share one plain U-Net, by the recipe of the first guided model.
        if model == config.models[0]:
            yield Wanted(cell, seed, {"model": unguided(model)})
        for injection, source in product(config.injection, config.guidance):
            if source != "none":
                yield Wanted(cell, seed, {"guidance.source": source, "guidance.injection": injection})
