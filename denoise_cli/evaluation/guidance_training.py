"""Train what a comparison of guidance needs: `denoise compare --guidance ... --train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from denoise_cli.config import CompareConfig
from denoise_cli.evaluation.cells import CellName
from denoise_cli.evaluation.grid_training import TrainOne, Wanted, plan, run_jobs


def train_guided(config: CompareConfig, train_one: TrainOne, note: Callable[[str], None]) -> dict[Path, str]:
    """Train all runs that are not finished; returns why runs failed, by their folders.

    All runs of a seed come before those of the next, so that an interrupted comparison has
    whole seeds. Arguments and errors as `run_jobs`.
    """
    jobs = list(plan(config, list(_wanted(config))))
    return {job.config.folder: why for job, why in run_jobs(jobs, train_one, note)}


def _wanted(config: CompareConfig) -> Iterator[Wanted]:
    for seed in config.train_seeds:
        for noise in config.train_noise or config.noise:
            for batch_norm in config.batch_norm:
                for number, model in enumerate(config.models):
                    cell = CellName(model, batch_norm, noise)
                    # All share one plain U-Net, by the recipe of the first guided model.
                    if number == 0:
                        yield Wanted(cell, seed, {"model": "unet"})
                    for injection in config.injection:
                        for source in config.guidance:
                            if source != "none":
                                flags = {"guidance.source": source, "guidance.injection": injection}
                                yield Wanted(cell, seed, flags)
