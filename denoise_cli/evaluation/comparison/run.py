"""Score a grid of models, batch-norm settings and noises: `denoise compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial as partial_call
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from denoise_cli.config import CompareConfig
from denoise_cli.data.source import Images
from denoise_cli.devices import device_name, resolve_device
from denoise_cli.distributed import World, join, launched_device
from denoise_cli.errors import WeightsError
from denoise_cli.evaluation.comparison import classical
from denoise_cli.evaluation.comparison.benchmark import Rounded, check_one_kind
from denoise_cli.evaluation.comparison.cells import (
    Candidate,
    CellName,
    RunsDifferError,
    cell_names,
    find_candidates,
    read_runs,
    train_command,
)
from denoise_cli.evaluation.comparison.classical import Settings
from denoise_cli.evaluation.comparison.classifiers import find_classifiers, score_classifier
from denoise_cli.evaluation.comparison.gallery import Gallery
from denoise_cli.evaluation.comparison.networks import find_networks
from denoise_cli.evaluation.comparison.notes import notes_of
from denoise_cli.evaluation.comparison.partial import Partial, digest_of, digest_of_code
from denoise_cli.evaluation.comparison.published import STUDY_SCORES, awgn_rows, stl10_share
from denoise_cli.evaluation.comparison.results import Cell, Cost, PublishedRow, Results
from denoise_cli.evaluation.comparison.score_cell import ScoringContext, score_method, score_model
from denoise_cli.evaluation.comparison.tuning import Tuned, count_settings, tune_on_pairs
from denoise_cli.evaluation.report.record import made_now, used_versions
from denoise_cli.evaluation.scores.leakage import kept_share, leakage_notes
from denoise_cli.evaluation.scores.own_noise import with_own_noise
from denoise_cli.evaluation.scores.test_images import Progress, check_noise, load_test_images
from denoise_cli.models import build_denoiser, count_parameters, denoiser_info
from denoise_cli.noise.spec import REAL, parse_noise


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cell of networks, and the weights that fill it or the reason why there are none.

    Attributes:
        can_be_made: Whether training fills an empty cell.
    """

    cell: CellName
    candidates: Sequence[Candidate]
    missing: str = ""
    can_be_made: bool = True


def run_comparison(
    config: CompareConfig, progress: Progress, failed: Mapping[CellName, str] = MappingProxyType({})
) -> Results | None:
    """Score as the config says; under `torchrun` the images are shared, and only rank 0 returns results.

    What was scored before is kept in the user's cache and not scored again, whether the comparison was
    interrupted or came to its end.

    Args:
        failed: Why the training of cells failed, for the cells without weights.

    Raises:
        DataError, WeightsError: Images or weights that are not there or do not fit.
    """
    config = with_own_noise(config)
    device = resolve_device(launched_device(config.device))
    entries = _entries(config, failed)
    paths = {run.path for entry in entries for run in entry.candidates if run.external is None}
    share = kept_share(paths, config.data.dataset)
    others = ["noisy input", *(classical.methods() if config.baselines else ())]
    with join(device) as world:
        with world.main_first():
            source = load_test_images(config.data, share)
        for noise in config.noise:
            check_noise(source, parse_noise(noise))
        grey = config.benchmark == "awgn" and check_one_kind(source)
        partial = Partial(_conditions(config, source, device))
        known, *_ = world.gather(partial.read() if world.is_main else {})
        tuned = _tuned(config, world, progress)
        guides = find_classifiers(config, source)
        rows = sum(max(1, len(entry.candidates)) for entry in entries) + len(config.noise) * len(others)
        rows += len(guides)
        with progress("Scoring", rows * len(source)) as advance:
            task = ScoringContext(
                source,
                device,
                world,
                config.seed,
                paper=config.protocol == "paper",
                published=partial_call(Rounded, grey=grey) if config.benchmark else lambda model: model,
                grey=grey,
                gallery=Gallery(source, config.noise, config.seed, grey=grey),
                partial=partial,
                known=known,
                on_images=advance,
            )
            cells = [
                _other(method, noise, tuned.settings, task) for method in others for noise in config.noise
            ]
            of_networks = [_scored(entry, task, named=bool(config.networks)) for entry in entries]
            makeable = [entry.can_be_made for entry in entries]
            cells += _with_commands(of_networks, makeable, config)
            classifiers = tuple(score_classifier(each, task) for each in guides)
        if not world.is_main:
            return None
    leaks = leakage_notes(paths, config.data.dataset, share, len(source))
    results = _results(cells, config, source, task, tuned, leaks)
    costs = {entry.cell.model: _cost(entry) for entry in entries}
    return results.model_copy(update={"costs": costs, "classifiers": classifiers})


def _entries(config: CompareConfig, failed: Mapping[CellName, str]) -> list[_Entry]:
    """The cells of the grid, or those of the networks that are named."""
    if config.networks:
        rows = find_networks(config.networks, config.batch_norm[0])
        return [
            _Entry(CellName(row, None, noise), [candidate])
            for noise in config.noise
            for row, candidate in rows.items()
        ]
    runs = None if config.weights is None else read_runs(config.weights)
    if runs == [] and not config.train:
        raise WeightsError(
            f"{config.weights} holds no finished runs.",
            "Name a folder that holds run folders, or train the grid into it with --train.",
        )
    entries = []
    for cell in cell_names(config):
        try:
            entries.append(_Entry(cell, find_candidates(cell, runs)))
        except WeightsError as error:
            reason, differ = failed.get(cell, "") or str(error), isinstance(error, RunsDifferError)
            entries.append(_Entry(cell, [], reason, can_be_made=not differ))
    return entries


def _scored(entry: _Entry, task: ScoringContext, *, named: bool) -> Cell:
    cell, missing = entry.cell, entry.missing
    if entry.candidates:
        try:
            return score_model(cell, entry.candidates, task)
        except WeightsError as error:  # Weights with NaN, say, which only reading all of them shows.
            if named:
                raise
            missing = str(error)
    task.on_images(len(task.source))
    return Cell(
        method=cell.model, kind="model", batch_norm=cell.batch_norm, noise=cell.noise, missing=missing
    )


def _conditions(config: CompareConfig, source: Images, device: torch.device) -> dict[str, Any]:
    """All that scores depend on but the method."""
    return {
        "images": digest_of(source),
        "seed": config.seed,
        "protocol": config.protocol,
        "benchmark": config.benchmark,
        "device": device_name(device),
        "versions": used_versions(),
        "code": digest_of_code(),
    }


def _results(
    cells: Sequence[Cell],
    config: CompareConfig,
    source: Images,
    task: ScoringContext,
    tuned: Tuned,
    leaks: Sequence[str],
) -> Results:
    share = stl10_share(config.data.dataset, source.shapes.numpy())
    if share is not None and config.protocol == "paper":
        cells = [_with_published(cell) for cell in cells]
    of_paper = config.benchmark == "awgn" and not task.grey
    return Results(
        dataset=config.data.dataset,
        images=source.names,
        groups=() if source.groups is None else tuple(source.groups.tolist()),
        protocol=config.protocol,
        benchmark=config.benchmark,
        seed=config.seed,
        device=device_name(task.device),
        versions=used_versions(),
        costs={},
        cells=tuple(cells),
        published=tuple(
            PublishedRow(method=method, psnr=row) for method, row in awgn_rows(config.data.dataset).items()
        )
        if of_paper
        else (),
        examples=task.gallery.examples(),
        notes=tuple(notes_of(cells, config, source, share=share, tuned=tuned, leaks=leaks)),
        **made_now(),
    )


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


def _with_commands(cells: Sequence[Cell], makeable: Sequence[bool], config: CompareConfig) -> list[Cell]:
    """Attach to each missing cell that training fills the command that trains all those of its model."""
    makes = [bool(cell.missing) and can for cell, can in zip(cells, makeable, strict=True)]
    lacking: dict[tuple[str, bool | None], list[str]] = {}
    for cell, make in zip(cells, makes, strict=True):
        if make:
            lacking.setdefault((cell.method, cell.batch_norm), []).append(cell.noise)

    def with_command(cell: Cell) -> Cell:
        noises = lacking[cell.method, cell.batch_norm]
        command = train_command(cell.method, cell.batch_norm, noises, config)
        return cell.model_copy(update={"make": command})

    return [with_command(cell) if make else cell for cell, make in zip(cells, makes, strict=True)]


def _with_published(cell: Cell) -> Cell:
    row = STUDY_SCORES.get((cell.method, bool(cell.batch_norm), cell.noise))
    if row is None or cell.batch_norm is None:
        return cell
    return cell.model_copy(update={"published_psnr": row[0], "published_ssim": row[1]})


def _cost(entry: _Entry) -> Cost:
    """Of the weights that are scored; of the model with batch norm where there are none."""
    external = entry.candidates[0].external if entry.candidates else None
    if external is not None:
        return Cost(parameters=external.parameters, gflop_per_megapixel=None)
    name = entry.candidates[0].architecture.name if entry.candidates else entry.cell.model
    parameters = count_parameters(build_denoiser(name, batch_norm=True))
    return Cost(parameters=parameters, gflop_per_megapixel=denoiser_info(name).gflop_per_megapixel)
