"""Weights as a folder for the Hugging Face hub, and weights from there; imports no torch.

A folder holds `model.safetensors`, `config.json`, `card.json` and `README.md`, the model card that the
hub shows. Its front matter has the scores as the hub's `model-index`
(https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import yaml

from denoise_cli.errors import OutputExists, UsageError, WeightsError
from denoise_cli.files import write_atomic
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS
from denoise_cli.text import in_markdown
from denoise_cli.weights.card import Card, Training
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.shapes import read_fitting
from denoise_cli.weights.store import HUB_FILE, HUB_PREFIX, bundled_name, find_card

_LIBRARY = "denoise-cli"
_DENOISING, _CLASSIFICATION = "image-to-image", "image-classification"
_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")


def export_folder(weights: Path, output: Path, *, overwrite: bool) -> WeightsHeader:
    """Write a folder that the hub understands and that `--weights FOLDER` reads.

    Raises:
        OutputExists: Something else is there, or a folder of ours and not `overwrite`.
        WeightsError: The weights cannot be read.
    """
    _check_free(output, overwrite)
    architecture = read_header(weights)
    read_fitting(weights, architecture)  # What no network can use is not published.
    card = find_card(weights)
    files = {
        HUB_FILE: weights.read_bytes(),
        "config.json": (json.dumps(_config(architecture), indent=2) + "\n").encode(),
        "README.md": _page(architecture, card).encode(),
    }
    if card is not None:
        files["card.json"] = card.to_json().encode()
    output.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomic(output / name, data)
    if card is None:
        (output / "card.json").unlink(missing_ok=True)  # Of the weights that were there before.
    return architecture


def download(name: str) -> Path:
    """The weight file of `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, from the hub's cache or the hub.

    Raises:
        UsageError: It is no such name, or what asks the hub is not installed.
        WeightsError: There is no such repository or file, or the hub cannot be reached.
    """
    found = _NAME.fullmatch(name.removeprefix(HUB_PREFIX))
    if found is None:
        raise UsageError(
            f"{name} names no repository of the hub.",
            f"Write {HUB_PREFIX}OWNER/NAME, or @REVISION behind it.",
        )
    if find_spec("huggingface_hub") is None:
        raise UsageError(
            "Weights from the Hugging Face hub need huggingface_hub, which is not installed.",
            "Install it: pip install huggingface_hub; or download the folder and name it.",
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    getLogger("huggingface_hub").setLevel(ERROR)  # What fails is said below, once.
    try:
        return Path(hf_hub_download(found["repository"], HUB_FILE, revision=found["revision"]))
    except LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{name} is not in the cache, and the hub cannot be reached.",
            "Go online, or download the folder and name it.",
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{name} cannot be downloaded: {reason}", "Look the name up on the hub."
        ) from error


def _check_free(output: Path, overwrite: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        ours = json.loads((output / "config.json").read_bytes()).get("library_name") == _LIBRARY
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise OutputExists(
            f"{output} is there already and is no folder of exported weights.", "Name another --output."
        )
    if not overwrite:
        raise OutputExists(f"{output} exists already.", "Add --overwrite, or name another --output.")


def _config(architecture: WeightsHeader) -> Mapping[str, Any]:
    return {"library_name": _LIBRARY, "library_version": version(_LIBRARY), "denoise": asdict(architecture)}


def _page(architecture: WeightsHeader, card: Card | None) -> str:
    """The model card: front matter for the hub, and what there is to know for people."""
    name = bundled_name(architecture.name, architecture.batch_norm)
    info = (DENOISERS if architecture.kind == "denoiser" else CLASSIFIERS)[architecture.name]
    front = yaml.safe_dump(_front_matter(architecture, card, name), sort_keys=False, allow_unicode=True)
    use = [
        "```bash",
        "pip install denoise-cli huggingface_hub",
        f"denoise denoise-image photo.jpg --weights {HUB_PREFIX}OWNER/NAME",
        "```",
    ]
    lines = [
        f"# {name}",
        "",
        f"{in_markdown(info.summary[:1].upper() + info.summary[1:])}.",
        "",
        *(use if _cleans(architecture) else []),
    ]
    lines += ["", f"Trained on the noise `{architecture.noise or 'unknown'}`."]
    if card is not None:
        lines += ["", *_training_lines(card), "", *_score_lines(card)]
        lines += [f"- {in_markdown(limit)}" for limit in card.limits]
        lines += ["", in_markdown(card.licence)]
    return f"---\n{front}---\n\n" + "\n".join(lines) + "\n"


def _cleans(architecture: WeightsHeader) -> bool:
    return architecture.kind == "denoiser"


def _front_matter(architecture: WeightsHeader, card: Card | None, name: str) -> dict[str, Any]:
    kind = _DENOISING if _cleans(architecture) else _CLASSIFICATION
    front: dict[str, Any] = {
        "library_name": _LIBRARY,
        "pipeline_tag": kind,
        "tags": ["image-denoising", architecture.name],
        "license": "other",
    }
    results = [] if card is None else _results(card, kind)
    return front | ({"model-index": [{"name": name, "results": results}]} if results else {})


def _results(card: Card, kind: str) -> list[dict[str, Any]]:
    """The scores as the hub's `model-index` has them."""
    rows = []
    for score in card.scores:
        metrics = [("psnr", "PSNR (dB)", score.psnr), ("ssim", "SSIM", score.ssim)]
        rows.append((score.set, score.noise, [each for each in metrics if each[2] is not None]))
    for noise, accuracy in ({} if kind == _DENOISING else card.classifier or {}).items():
        rows.append(("validation", noise, [("accuracy", "Accuracy", accuracy)]))
    return [
        {
            "task": {
                "type": kind,
                "name": "Image denoising" if kind == "image-to-image" else "Classification",
            },
            "dataset": {"name": f"{dataset}, {noise} noise", "type": dataset, "config": noise},
            "metrics": [{"type": key, "name": title, "value": value} for key, title, value in metrics],
        }
        for dataset, noise, metrics in rows
    ]


def _training_lines(card: Card) -> list[str]:
    steps, seconds, training = 0, 0, card.training
    while True:
        steps, seconds = steps + training.steps, seconds + training.seconds
        before: Training | None = training.start
        if before is None:
            break
        training = before
    data = ", ".join(
        f"{in_markdown(item.name)} ({item.images:,} images: {in_markdown(item.terms)})" for item in card.data
    )
    return [f"{card.parameters:,} parameters; {steps:,} steps in {seconds / 3600:.1f} hours on {data}."]


def _score_lines(card: Card) -> list[str]:
    if not card.scores:
        return []
    rows = [
        f"| {in_markdown(row.set)} | {in_markdown(row.noise)} | {row.n} | {_cell(row.noisy_psnr, 2)} | "
        f"{_cell(row.psnr, 2)} | {_cell(row.ssim, 4)} |"
        for row in card.scores
    ]
    head = [
        "| images | noise | n | noisy PSNR (dB) | PSNR (dB) | SSIM |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return [*head, *rows, ""]


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
