"""Score a grid of models, batch-norm settings and noises: `denoise compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from torch import nn

from denoise_cli.config import CompareConfig
from denoise_cli.data.source import Images
from denoise_cli.devices import device_name, resolve_device
from denoise_cli.distributed import World, join, launched_device
from denoise_cli.errors import WeightsError, counted, left_out
from denoise_cli.evaluation.comparison import classical
from denoise_cli.evaluation.comparison.benchmark import RULES, Rounded, check_one_kind, count_grey
from denoise_cli.evaluation.comparison.cells import (
    Candidate,
    CellName,
    cell_names,
    find_candidates,
    read_runs,
    train_command,
)
from denoise_cli.evaluation.comparison.classical import Settings
from denoise_cli.evaluation.comparison.gallery import Gallery
from denoise_cli.evaluation.comparison.published import STUDY_SCORES, awgn_rows, stl10_share
from denoise_cli.evaluation.comparison.results import Cell, Cost, PublishedRow, Results
from denoise_cli.evaluation.comparison.score_cell import ScoringContext, score_method, score_model
from denoise_cli.evaluation.comparison.tuning import Tuned, count_settings, tune_on_pairs
from denoise_cli.evaluation.report.record import used_versions
from denoise_cli.evaluation.scores.intervals import mean_interval
from denoise_cli.evaluation.scores.own_noise import with_own_noise
from denoise_cli.evaluation.scores.test_images import Progress, check_noise, load_test_images
from denoise_cli.models import build_denoiser, count_parameters, denoiser_info
from denoise_cli.noise.spec import REAL, parse_noise
from denoise_cli.weights.store import list_bundled


def run_grid(
    config: CompareConfig, progress: Progress, failed: Mapping[CellName, str] = MappingProxyType({})
) -> Results | None:
    """Score as the config says; under `torchrun` the images are shared, and only rank 0 returns results.

    Args:
        failed: Why the training of cells failed, for the cells without weights.

    Raises:
        DataError, WeightsError: Images or a folder of runs that are not there or do not fit.
    """
    config = with_own_noise(config)
    device = resolve_device(launched_device(config.device))
    runs = None if config.weights is None else read_runs(config.weights)
    if runs == [] and not config.train:
        raise WeightsError(
            f"{config.weights} holds no finished runs.",
            "Name a folder that holds run folders, or train the grid into it with --train.",
        )
    names = cell_names(config)
    others = ["noisy input", *(classical.methods() if config.baselines else ())]
    with join(device) as world:
        with world.main_first():
            source = load_test_images(config.data)
        for noise in config.noise:
            check_noise(source, parse_noise(noise))
        grey = config.benchmark == "awgn" and check_one_kind(source)
        tuned = _tuned(config, world, progress)
        total = (len(names) + len(config.noise) * len(others)) * len(source)
        with progress("Scoring", total) as advance:
            task = ScoringContext(
                source,
                device,
                world,
                config.seed,
                paper=config.protocol == "paper",
                published=partial(Rounded, grey=grey) if config.benchmark else lambda model: model,
                grey=grey,
                gallery=Gallery(source, config.noise, config.seed, grey=grey),
                on_images=advance,
            )
            cells = [
                _other(method, noise, tuned.settings, task) for method in others for noise in config.noise
            ]
            models = [_model(name, runs, failed.get(name, ""), task) for name in names]
        if not world.is_main:
            return None
    cells += _with_commands(models, config)
    share = stl10_share(config.data.dataset, source.shapes.numpy())
    if share is not None and config.protocol == "paper":
        cells = [_with_published(cell) for cell in cells]
    return Results(
        dataset=config.data.dataset,
        images=source.names,
        protocol=config.protocol,
        benchmark=config.benchmark,
        seed=config.seed,
        device=device_name(device),
        versions=used_versions(),
        costs={name: _cost(name) for name in config.models},
        cells=tuple(compare_to_best(cells, None if source.groups is None else source.groups.numpy())),
        published=tuple(
            PublishedRow(method=method, psnr=row) for method, row in awgn_rows(config.data.dataset).items()
        )
        if config.benchmark == "awgn" and not grey
        else (),
        examples=task.gallery.examples(),
        notes=(*_notes(share, config, source, tuned), *_folded_notes(cells)),
    )


def compare_to_best(cells: Sequence[Cell], groups: np.ndarray | None) -> list[Cell]:
    """Add to each scored cell its paired difference to the best of its column.

    A column is a batch-norm setting and a noise; methods without batch norm are compared in
    the column whose best cell is highest.
    """
    compared = []
    for cell in cells:
        column = [
            other
            for other in cells
            if other.psnr is not None
            and other.noise == cell.noise
            and (cell.batch_norm is None or other.batch_norm in {None, cell.batch_norm})
        ]
        if cell.psnr is None or not column:
            compared.append(cell)
            continue
        best = max(column, key=lambda other: other.psnr or 0.0)
        difference = np.subtract(_values(cell), _values(best))
        mean, low, high = mean_interval(difference, groups)
        paired = {"to_best": mean, "to_best_interval": (low, high)} if np.isfinite(mean) else {}
        compared.append(cell.model_copy(update=paired))
    return compared


def _values(cell: Cell) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in cell.image_psnr])


def _tuned(config: CompareConfig, world: World, progress: Progress) -> Tuned:
    """Settings of the classical methods for the noise of pairs, tuned by rank 0."""
    if not config.baselines or REAL.name not in config.noise:
        return Tuned({}, "")
    found = None
    if world.is_main:
        with progress("Tuning classical methods", count_settings()) as advance:
            found = tune_on_pairs(config.data, advance)
    (tuned,) = (each for each in world.gather(found) if each is not None)
    return tuned


def _other(method: str, noise: str, tuned: Mapping[str, Settings], task: ScoringContext) -> Cell:
    if method == "noisy input":
        return score_method(method, "input", nn.Identity(), noise, {}, task)
    clean, settings = classical.classical_method(method, noise, tuned if noise == REAL.name else {})
    return score_method(method, "classical", clean, noise, settings, task)


def _model(name: CellName, runs: Sequence[Candidate] | None, failure: str, task: ScoringContext) -> Cell:
    try:
        candidates = find_candidates(name, runs)
    except WeightsError as error:
        task.on_images(len(task.source))
        return Cell(
            method=name.model,
            kind="model",
            batch_norm=name.batch_norm,
            noise=name.noise,
            missing=failure or str(error),
        )
    return score_model(name, candidates, task)


def _with_commands(cells: Sequence[Cell], config: CompareConfig) -> list[Cell]:
    """Attach to each missing cell the command that trains all missing cells of its model."""
    completed = []
    for cell in cells:
        lacking = [
            other
            for other in cells
            if other.missing and (other.method, other.batch_norm) == (cell.method, cell.batch_norm)
        ]
        noises = [other.noise for other in lacking]
        command = train_command(cell.method, cell.batch_norm, noises, config) if cell.missing else ""
        completed.append(cell.model_copy(update={"make": command}))
    return completed


def _with_published(cell: Cell) -> Cell:
    row = STUDY_SCORES.get((cell.method, bool(cell.batch_norm), cell.noise))
    if row is None or cell.batch_norm is None:
        return cell
    return cell.model_copy(update={"published_psnr": row[0], "published_ssim": row[1]})


def _notes(share: str | None, config: CompareConfig, source: Images, tuned: Tuned) -> list[str]:
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
        notes.append(f"Intervals are over the {units}.")
    if source.skipped:
        notes.append(f"{left_out(len(source.skipped))}, such as {source.skipped[0]}")
    return notes


def _folded_notes(cells: Sequence[Cell]) -> list[str]:
    folded = {entry.card.sha256 for entry in list_bundled() if entry.starts_from_folded_batch_norm}
    if not any(run.sha256 in folded for cell in cells for run in cell.runs):
        return []
    return [
        "The bundled weights without batch norm began as those with it, folded into the convolutions, so "
        "their differences say little of batch norm; --train compares networks that had or lacked it from "
        "the start."
    ]


def _cost(name: str) -> Cost:
    parameters = count_parameters(build_denoiser(name, batch_norm=True))
    return Cost(parameters=parameters, gflop_per_megapixel=denoiser_info(name).gflop_per_megapixel)
