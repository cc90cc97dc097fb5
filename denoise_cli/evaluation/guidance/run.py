"""Score the runs of a comparison of guidance: `denoise compare --guidance`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from denoise_cli.config import CompareConfig
from denoise_cli.data.source import Images
from denoise_cli.devices import device_name, resolve_device
from denoise_cli.distributed import World, join, launched_device
from denoise_cli.errors import WeightsError
from denoise_cli.evaluation.comparison.cells import Candidate, read_runs
from denoise_cli.evaluation.guidance.results import GuidanceResults, GuidedRun, Variant
from denoise_cli.evaluation.report.record import made_now, used_versions
from denoise_cli.evaluation.scores.classification import classify_images
from denoise_cli.evaluation.scores.guidance_logits import guidance_logits, true_classes
from denoise_cli.evaluation.scores.leakage import kept_share, leakage_notes
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.evaluation.scores.test_images import Progress, load_test_images
from denoise_cli.files import sha256
from denoise_cli.models import denoiser_info
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.models.registry import unguided
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.files import load_weights


def run_guidance(
    config: CompareConfig, progress: Progress, failed: Mapping[Path, str] = MappingProxyType({})
) -> GuidanceResults | None:
    """Score as the config says; under `torchrun` the images are shared, and only rank 0 returns results.

    Args:
        failed: Why the training of runs failed, for the notes.

    Raises:
        DataError, WeightsError: Images or runs that are not there or do not fit.
    """
    device = resolve_device(launched_device(config.device))
    pairs = find_runs(config)
    paths = [run.path for run, _ in pairs]
    share = kept_share(paths, config.data.dataset)
    with join(device) as world:
        with world.main_first():
            source = load_test_images(config.data, share)
        _check_labels([run for run, _ in pairs], source)
        with progress("Scoring", len(pairs) * len(source)) as advance:
            scorer = _Scorer(source, device, world, config.seed, advance)
            runs = [scorer.run(candidate, noise) for candidate, noise in pairs]
        if not world.is_main:
            return None
    return GuidanceResults(
        dataset=config.data.dataset,
        images=source.names,
        groups=() if source.groups is None else tuple(source.groups.tolist()),
        seed=config.seed,
        device=device_name(device),
        versions=used_versions(),
        **made_now(),
        runs=tuple(runs),
        notes=(
            *failed.values(),
            *_missing(config, [run for run, _ in pairs]),
            *leakage_notes(paths, config.data.dataset, share, len(source)),
        ),
    )


def find_runs(config: CompareConfig) -> list[tuple[Candidate, str]]:
    """The runs that a comparison asks for, each with the noises that it is scored under.

    A noise that nothing was trained on is scored by the runs of the first training noise.

    Raises:
        WeightsError: There are none, or no plain U-Net to compare with.
    """
    if config.weights is None:
        raise WeightsError(
            "`guidance` compares runs, and none are named.",
            "Name their folder with --weights, or train them with --train.",
        )
    runs = [run for run in read_runs(config.weights) if _is_asked_for(run, config)]
    trained = config.train_noise or config.noise
    plain = set(map(unguided, config.models))
    found = []
    for noise in config.noise:
        teacher = noise if noise in trained else trained[0]
        of_noise = [run for run in runs if run.architecture.noise == teacher]
        if not any(run.architecture.name in plain for run in of_noise):
            raise WeightsError(
                f"{config.weights} holds no finished run of the plain U-Net trained on {teacher}, "
                "which all others are compared with.",
                "Train what is missing with --train, or name the training noise: --set train_noise=NOISE.",
            )
        found += [(run, noise) for run in of_noise]
    return found


def _missing(config: CompareConfig, runs: Sequence[Candidate]) -> list[str]:
    """A note on each variant that was asked for and has no finished run."""
    found = {variant_of(run) for run in runs}
    return [
        f"{config.weights} holds no finished run of {model} with `{source}` guidance by {injection}, "
        f"batch norm {'on' if batch_norm else 'off'}; --train trains it."
        for batch_norm in config.batch_norm
        for model in config.models
        for injection in config.injection
        for source in config.guidance
        if source != "none"
        and Variant(model=model, source=source, injection=injection, batch_norm=batch_norm) not in found
    ]


def variant_of(run: Candidate) -> Variant:
    """The variant of a run."""
    a = run.architecture
    guided = a.kind == "denoiser" and denoiser_info(a.name).classifier is not None
    return Variant(
        model=a.name,
        source=a.guidance if guided else "none",
        injection=a.injection if guided else None,
        batch_norm=a.batch_norm,
    )


def _is_asked_for(run: Candidate, config: CompareConfig) -> bool:
    variant = variant_of(run)
    return (
        run.architecture.kind == "denoiser"
        and variant.model in {*map(unguided, config.models), *config.models}
        and variant.source in config.guidance
        and variant.injection in {None, *config.injection}
        and variant.batch_norm in config.batch_norm
    )


def _check_labels(runs: Sequence[Candidate], source: Images) -> None:
    """Refuse images without the labels that an `oracle` run needs, before anything is scored."""
    for run in runs:
        if run.architecture.guidance == "oracle":
            true_classes(source, run.architecture.classes)


@dataclass(frozen=True, slots=True)
class _Scorer:
    """Scores runs; `seen` caches on which images each classifier is right, by noise."""

    source: Images
    device: torch.device
    world: World
    seed: int
    on_images: Callable[[int], None]
    seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def run(self, candidate: Candidate, noise: str) -> GuidedRun:
        """Score one run under one noise."""
        architecture, model = load_weights(candidate.path)
        model = model.to(self.device)
        specs = parse_noise(noise)
        shared: dict[str, Any] = {"device": self.device, "seed": self.seed, "world": self.world}
        logits = guidance_logits(model, architecture.classes, self.source, specs, **shared)
        scores = score(model, self.source, specs, **shared, on_images=self.on_images, logits=logits)
        return GuidedRun(
            variant=variant_of(candidate),
            noise=noise,
            trained_on=architecture.noise,
            seed=candidate.seed,
            weights=candidate.label,
            sha256=sha256(candidate.path),
            psnr=tuple(round(value, 4) for value in scores.psnr.tolist()),
            ssim=tuple(round(value, 5) for value in scores.ssim.tolist()),
            right=self._right(model, architecture.classes, noise),
        )

    def _right(self, model: nn.Module, classes: Sequence[str], noise: str) -> str:
        """The images on which the model's classifier is right, as in `GuidedRun.right`."""
        known = self.source.labels is not None and set(self.source.classes) <= set(classes)
        if not isinstance(model, GuidedUNet) or not known:
            return ""
        key = (_digest(model.classifier), noise)
        if key not in self.seen:
            result = classify_images(
                model.classifier,
                self.source.with_classes(classes),
                parse_noise(noise),
                device=self.device,
                seed=self.seed,
                world=self.world,
            )
            self.seen[key] = "".join(str(int(right)) for right in result.correct.tolist())
        return self.seen[key]


def _digest(model: nn.Module) -> str:
    state = hashlib.sha256()
    for value in model.state_dict().values():
        state.update(value.cpu().numpy().tobytes())
    return state.hexdigest()
