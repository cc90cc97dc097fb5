"""Score one cell of a comparison: a model's runs, or one other method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from denoise_cli.data.source import Images
from denoise_cli.distributed import World
from denoise_cli.evaluation.comparison.cells import Candidate, CellName
from denoise_cli.evaluation.comparison.gallery import Gallery
from denoise_cli.evaluation.comparison.partial import Partial, ScoredCell, key_of
from denoise_cli.evaluation.comparison.results import Cell, Picture, ScoredRun
from denoise_cli.evaluation.scores.intervals import estimate_mean
from denoise_cli.evaluation.scores.scoring import Scores, score
from denoise_cli.evaluation.scores.windows import InStrips
from denoise_cli.external.network import set_sigma
from denoise_cli.files import nan_to_none
from denoise_cli.models import denoiser_info
from denoise_cli.noise.spec import gaussian_level, parse_noise
from denoise_cli.weights.files import load_weights

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """Everything that all cells of a comparison share.

    Attributes:
        source: The clean images.
        seed: Of the test noise.
        paper: Score by the study's pooled protocol.
        published: Wraps a denoiser so that its output is scored as a benchmark's papers do.
        grey: Images and noise are grey.
        gallery: Collects example pictures.
        partial: Keeps what is scored.
        known: What was kept of an earlier comparison under the same conditions.
        on_images: Called with the number of images done since the last call.
    """

    source: Images
    device: torch.device
    world: World
    seed: int
    paper: bool
    published: Callable[[nn.Module], nn.Module]
    grey: bool
    gallery: Gallery
    partial: Partial
    known: Mapping[str, ScoredCell]
    on_images: Callable[[int], None]


def score_model(cell: CellName, candidates: Sequence[Candidate], task: ScoringContext) -> Cell:
    """Score a network; several runs of one cell are averaged image by image."""
    sums = [candidate.sha256 for candidate in candidates]
    key = key_of(cell.model, cell.batch_norm, cell.noise, sums)

    def work() -> tuple[Cell, tuple[Picture, ...]]:
        all_scores: list[Scores] = []
        runs: list[ScoredRun] = []
        pictures: tuple[Picture, ...] = ()
        for candidate, checksum in zip(candidates, sums, strict=True):
            model, in_strips = _loaded(candidate, cell.noise, task)
            scores = _score(in_strips, cell.noise, task)
            if not runs:
                title = f"{cell.model}, BN off" if cell.batch_norm is False else cell.model
                pictures = task.gallery.add(title, cell.noise, model, task.device)
            psnr, ssim = _means(scores, task.paper)
            all_scores.append(scores)
            runs.append(
                ScoredRun(
                    weights=candidate.label,
                    sha256=checksum,
                    trained_on=candidate.architecture.noise,
                    seed=candidate.seed,
                    psnr=psnr,
                    ssim=ssim,
                )
            )
        over_runs = np.array([run.psnr for run in runs], np.float64)
        scored = Cell(
            method=cell.model,
            kind="model",
            batch_norm=cell.batch_norm,
            noise=cell.noise,
            runs=tuple(runs),
            psnr_spread=nan_to_none(float(np.std(over_runs, ddof=1))) if len(runs) > 1 else None,
            **_summary(all_scores, task),
        )
        return scored, pictures

    return _once(key, cell.noise, task, work)


def score_method(
    method: str,
    kind: Literal["input", "classical"],
    clean: nn.Module,
    noise: str,
    settings: dict[str, float],
    task: ScoringContext,
) -> Cell:
    """Score something that needs no weights; `clean` runs on the CPU."""
    cpu = torch.device("cpu")

    def work() -> tuple[Cell, tuple[Picture, ...]]:
        pictures = task.gallery.add(method, noise, clean, cpu) if kind == "classical" else ()
        scores = _score(clean, noise, replace(task, device=cpu))
        cell = Cell(method=method, kind=kind, noise=noise, settings=settings, **_summary([scores], task))
        return cell, pictures

    key = key_of(method, None, noise, [f"{name}={value}" for name, value in settings.items()])
    return _once(key, noise, task, work)


def _loaded(candidate: Candidate, noise: str, task: ScoringContext) -> tuple[nn.Module, nn.Module]:
    """A network on its device, and the same in strips where large pictures can be cut into them."""
    if candidate.external is None:
        architecture, model = load_weights(candidate.path)
        model = model.to(task.device)
        return model, InStrips(model, denoiser_info(architecture.name))
    model = candidate.external.module.to(task.device)
    set_sigma(model, gaussian_level(noise))
    return model, model


def _once(
    key: str, noise: str, task: ScoringContext, work: Callable[[], tuple[Cell, tuple[Picture, ...]]]
) -> Cell:
    """The cell as an earlier comparison has scored it, or scored now and kept."""
    known = task.known.get(key)
    if known is not None and known.cell is not None:
        task.gallery.add_again(noise, known.pictures)
        task.on_images(len(task.source) * max(1, len(known.cell.runs)))
        return known.cell
    cell, pictures = work()
    if task.world.is_main:
        task.partial.add(ScoredCell(key=key, cell=cell, pictures=pictures))
    return cell


def _score(model: nn.Module, noise: str, task: ScoringContext) -> Scores:
    return score(
        task.published(model),
        task.source,
        parse_noise(noise),
        device=task.device,
        seed=task.seed,
        paper_protocol=task.paper,
        grey=task.grey,
        world=task.world,
        on_images=task.on_images,
    )


def _means(scores: Scores, paper: bool) -> tuple[float | None, float | None]:
    if paper:
        return scores.paper_psnr, scores.paper_ssim
    psnr, ssim = (nan_to_none(estimate_mean(values.numpy()).mean) for values in (scores.psnr, scores.ssim))
    return psnr, ssim


def _summary(all_scores: Sequence[Scores], task: ScoringContext) -> dict[str, Any]:
    """The fields of a `Cell` that scores give, averaged over runs."""
    groups = None if task.source.groups is None else task.source.groups.numpy()
    pixels = int(task.source.shapes.prod(1).sum())
    seconds = float(np.mean([scores.seconds_per_image for scores in all_scores])) * len(task.source)
    fields: dict[str, Any] = {"seconds_per_megapixel": seconds / (pixels / 1e6)}
    for name in ("psnr", "ssim"):
        values: Values = np.mean([getattr(scores, name).numpy() for scores in all_scores], 0)
        found = estimate_mean(values, groups)
        # Where no image has a finite score (the noisy input without noise) there is no mean.
        fields |= {name: nan_to_none(found.mean), f"{name}_interval": found.interval}
        fields[f"{name}_left_out"] = found.left_out
        fields[f"image_{name}"] = tuple(float(v) if np.isfinite(v) else None for v in values)
    if task.paper:
        # The pooled score of a batch is no mean over images, so it has no interval over them.
        pooled = np.array([(s.paper_psnr, s.paper_ssim) for s in all_scores], np.float64).mean(0)
        fields |= {"psnr": float(pooled[0]), "ssim": float(pooled[1])}
        fields |= {"psnr_interval": None, "ssim_interval": None}
    return fields
