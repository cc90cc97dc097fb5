"""The classifiers that guide networks of a comparison, scored on the same noisy images."""

from __future__ import annotations

from typing import Any

from denoise_cli.config import CompareConfig
from denoise_cli.data.source import Images
from denoise_cli.evaluation.comparison.cells import Candidate, read_runs
from denoise_cli.evaluation.comparison.partial import ScoredCell, key_of
from denoise_cli.evaluation.comparison.results import ScoredClassifier
from denoise_cli.evaluation.comparison.score_cell import ScoringContext
from denoise_cli.evaluation.scores.classification import as_trained, classify_images
from denoise_cli.evaluation.scores.intervals import share_interval
from denoise_cli.models import count_parameters, denoiser_info
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.files import load_classifier


def find_classifiers(config: CompareConfig, source: Images) -> list[Candidate]:
    """The runs of classifiers that models of the grid are guided by, where they know all labels."""
    if config.networks or config.weights is None or source.labels is None:
        return []
    wanted = {denoiser_info(model).classifier for model in config.models}
    return [
        run
        for run in read_runs(config.weights)
        if run.architecture.kind == "classifier"
        and run.architecture.name in wanted
        and run.architecture.batch_norm in config.batch_norm
        and run.architecture.noise in config.noise
        and set(source.classes) <= set(run.architecture.classes)
    ]


def score_classifier(run: Candidate, task: ScoringContext) -> ScoredClassifier:
    """Its accuracy under the noise that it was trained on, as `denoise classify` tests it."""
    header = run.architecture
    key = key_of(f"classifier {header.name}", header.batch_norm, header.noise, [run.sha256])
    known = task.known.get(key)
    if known is not None and known.classifier is not None:
        task.on_images(len(task.source))
        return known.classifier
    _, model = load_classifier(run.path)
    data: dict[str, Any] = (run.recipe or {}).get("data") or {}
    source = as_trained(
        task.source.with_classes(header.classes), header.image_size, data.get("resize"), data.get("crop")
    )
    result = classify_images(
        model.to(task.device),
        source,
        parse_noise(header.noise),
        device=task.device,
        seed=task.seed,
        world=task.world,
    )
    right = result.correct.double().numpy()
    scored = ScoredClassifier(
        name=header.name,
        batch_norm=header.batch_norm,
        noise=header.noise,
        weights=run.label,
        sha256=run.sha256,
        seed=run.seed,
        parameters=count_parameters(model),
        accuracy=float(right.mean()),
        interval=share_interval(right, None if source.groups is None else source.groups.numpy()),
    )
    if task.world.is_main:
        task.partial.add(ScoredCell(key=key, classifier=scored))
    task.on_images(len(task.source))
    return scored
