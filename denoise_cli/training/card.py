"""The card of a run: what the bundled weights say of themselves, said of weights of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoise_cli.config import RunConfig
from denoise_cli.errors import WeightsError
from denoise_cli.files import sha256, write_atomic
from denoise_cli.models import count_parameters
from denoise_cli.runs import RunFolder
from denoise_cli.weights.card import Card
from denoise_cli.weights.store import find_card, find_weights

if TYPE_CHECKING:
    from denoise_cli.training.trainer import Trainer

# Longer silence in a log is a pause between sittings.
_PAUSE_S = 120
_TERMS = "not stated; those of the images apply"


def write_card(trainer: Trainer) -> None:
    """Write `card.json` of a run that has come to its end, on the weights that it is used by."""
    config, run, architecture = trainer.config, trainer.run_folder, trainer.architecture
    weights = run.best if run.best.is_file() else run.last
    scores = [row for row in run.events() if row["event"] == "validation"]
    metric = trainer.task.metric
    known = [row for row in scores if row.get(metric) is not None]
    best = max(known, key=lambda row: row[metric], default={}) if run.best.is_file() else (known or [{}])[-1]
    card: dict[str, Any] = {
        "model": architecture.name,
        "batch_norm": architecture.batch_norm,
        "noise": architecture.noise,
        "parameters": count_parameters(trainer.model),
        "classes": list(architecture.classes),
        "sha256": sha256(weights),
        "date": date.today().isoformat(),
        "data": _describe_data(trainer),
        "training": describe_training(config, run, f"denoise-cli {version('denoise-cli')}", _start(config)),
        "scores": [],
        "reproduce": [f"denoise train --config {run.config}"],
        "licence": _TERMS,
        "limits": [],
    }
    if metric == "accuracy":
        card["reproduce"] = [f"denoise classify --config {run.config}"]
        card["classifier"] = {config.scoring_noise: best[metric]} if best else {}
    elif best:
        n = len(trainer.data.validation)
        score = {"set": "validation", "noise": config.scoring_noise, "n": n}
        card["scores"] = [score | {key: best.get(key) for key in ("psnr", "ssim")}]
    write_atomic(run.card, Card.model_validate(card).to_json().encode())


def describe_training(
    config: RunConfig, run: RunFolder, commit: str, start: dict[str, Any] | None, note: str = ""
) -> dict[str, Any]:
    """What a card says of a run, by its log.

    Args:
        commit: Version of the program.
        start: The same of the weights that it started from, where it is known.
        note: What else there is to say.
    """
    times = [row["time"] for row in run.events() if row["event"] == "train"]
    recipe = config.model_dump(
        mode="json", exclude={"out", "data", "device", "init", "classifier", "log"}, exclude_defaults=True
    )
    return {
        "steps": max((row.get("step", 0) for row in run.events()), default=0),
        "seconds": round(sum(b - a for a, b in pairwise(times) if b - a < _PAUSE_S)),
        "device": training_device(run),
        "commit": commit,
        "init": None if config.init is None else Path(config.init).name,
        "start": start,
        "recipe": recipe,
        "augmentation": {"flip": config.data.flip, "rotate": config.data.rotate, "grey": config.data.grey},
        "note": note,
    }


def training_device(run: RunFolder) -> str:
    """What the run was trained on, by its log: this machine may be another one."""
    devices = dict.fromkeys(str(row["device"]) for row in run.events() if row["event"] == "start")
    return ", ".join(devices) or "unknown"


def _describe_data(trainer: Trainer) -> Sequence[dict[str, Any]]:
    return [
        {
            "name": stream.source.name,
            "images": len(stream.source),
            "terms": _TERMS,
            "crop": stream.crop,
        }
        for stream in trainer.data.streams
    ]


def _start(config: RunConfig) -> dict[str, Any] | None:
    """The training of the weights that a run starts from; None where it is not known."""
    if config.init is None:
        return None
    try:
        card = find_card(find_weights(config.init))
    except WeightsError:
        return None
    return None if card is None else card.training.model_dump(mode="json", exclude_unset=True)
