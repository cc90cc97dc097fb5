"""Score one denoiser on one data set: `denoise test`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from denoise_cli.config import TestConfig, TestDataConfig
from denoise_cli.data.load import load_dataset
from denoise_cli.data.pairs import LAYOUT
from denoise_cli.data.source import Images, centre_cropped
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import join, launched_device
from denoise_cli.errors import DataError, WeightsError
from denoise_cli.evaluation.intervals import mean_interval
from denoise_cli.evaluation.own_noise import with_own_noise
from denoise_cli.evaluation.pictures import save_grid
from denoise_cli.evaluation.scoring import Scores, noisy_images, score
from denoise_cli.evaluation.told import told_logits
from denoise_cli.evaluation.windows import Centre, InStrips
from denoise_cli.files import check_writable, finite, write_atomic
from denoise_cli.metrics import WINDOW
from denoise_cli.models import denoiser_info
from denoise_cli.models.registry import DEFAULT_MODEL
from denoise_cli.noise.spec import NoiseSpec, is_real, parse_noise
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.header import Architecture
from denoise_cli.weights.store import find_bundled, find_weights

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_PICTURES = 6
# Larger pictures are shown by their centre.
_SIDE = 512


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of one model on one data set.

    Attributes:
        summary: What `--json` prints.
        folder: Holds `scores.json` (with per-image values) and `pictures.png`.
    """

    summary: dict[str, Any]
    folder: Path


def run_test(config: TestConfig, progress: Progress) -> Report | None:
    """Score as the config says; under `torchrun` the images are shared, and only rank 0 reports.

    Raises:
        DataError, WeightsError: What is to be scored is not there or does not fit.
    """
    device = resolve_device(launched_device(config.device))
    with join(device) as world:
        architecture, model = load_denoiser(config.model, config.batch_norm, config.weights)
        config = with_own_noise(config)
        folder = config.out or _default_folder(config, architecture)
        check_writable(folder)
        model = model.to(device)
        with world.main_first():
            source = load_test_images(config.data)
        noise = parse_noise(config.noise)
        check_noise(source, noise)
        logits = told_logits(
            model, architecture.classes, source, noise, device=device, seed=config.seed, world=world
        )
        with progress("Scoring", len(source)) as advance:
            scores = score(
                InStrips(model, denoiser_info(architecture.name)),
                source,
                noise,
                device=device,
                seed=config.seed,
                study_protocol=config.protocol == "paper",
                world=world,
                on_images=advance,
                logits=logits,
            )
        if not world.is_main:
            return None
    summary = _summarise(config, architecture, source, scores, device)
    columns = ("psnr", "ssim", "noisy_psnr", "noisy_ssim")
    per_image = {name: [round(v, 6) for v in getattr(scores, name).tolist()] for name in columns}
    record = {**summary, "images": list(source.names), "per_image": per_image}
    write_atomic(folder / "scores.json", (json.dumps(finite(record)) + "\n").encode())
    _save_pictures(folder / "pictures.png", config, model, source, device, logits)
    return Report(summary, folder)


def load_denoiser(name: str | None, batch_norm: bool, weights: str | None) -> tuple[Architecture, nn.Module]:
    """The denoiser of a weight file or run, else the bundled one of this name.

    Raises:
        WeightsError: Not there, not a denoiser, or of another architecture than `name`.
    """
    path = find_bundled(name or DEFAULT_MODEL, batch_norm) if weights is None else find_weights(weights)
    architecture, model = load_weights(path)
    if architecture.kind != "denoiser":
        raise WeightsError(
            f"{path} holds the classifier {architecture.name!r}, not a denoiser.",
            f"Test it with: denoise classify {architecture.name} --eval-only --weights {weights}",
        )
    if name is not None and architecture.name != name:
        raise WeightsError(f"{path} holds {architecture.name!r}, not {name!r}.", "Leave the model name out.")
    return architecture, model


def load_test_images(data: TestDataConfig) -> Images:
    """The test split, cropped and limited as the config says.

    Raises:
        DataError: Not there, or an image is smaller than the window of SSIM.
    """
    source = load_dataset(data.dataset, "test", data_dir=data.data_dir, limit=data.limit)
    source = source if data.crop is None else centre_cropped(source, data.crop)
    _check_sizes(source)
    return source


def check_noise(source: Images, noise: Sequence[NoiseSpec]) -> None:
    """Raise `DataError` where the noise is `real` and the images are not those of pairs."""
    if is_real(noise) and source.noisy is None:
        raise DataError(
            f"{source.name} holds no pairs of a noisy and a clean picture, so it has no `real` noise.", LAYOUT
        )


def _check_sizes(source: Images) -> None:
    sides = source.shapes.min(1).values
    small = int(sides.argmin())
    if int(sides[small]) < WINDOW:
        height, width = source.shapes[small].tolist()
        raise DataError(
            f"{source.names[small]} has {width}x{height} pixels; SSIM needs at least {WINDOW}x{WINDOW}.",
            "Take the small images out of the folder.",
        )


def _summarise(
    config: TestConfig, architecture: Architecture, source: Images, scores: Scores, device: torch.device
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "model": architecture.name,
        "batch_norm": architecture.batch_norm,
        "weights": config.weights or "bundled",
        "trained_on": architecture.noise,
        "guidance": architecture.guidance if architecture.classes else None,
        "noise": config.noise,
        "dataset": config.data.dataset,
        "n": len(source),
        "skipped": list(source.skipped),
        "seed": config.seed,
        "device": str(device),
        "seconds_per_image": scores.seconds_per_image,
        "paper_psnr": scores.study_psnr,
        "paper_ssim": scores.study_ssim,
    }
    groups = None if source.groups is None else source.groups.numpy()
    for name in ("psnr", "ssim", "noisy_psnr", "noisy_ssim"):
        mean, low, high = mean_interval(getattr(scores, name).numpy(), groups)
        summary[name], summary[f"{name}_interval"] = mean, [low, high]
    return summary


def _default_folder(config: TestConfig, architecture: Architecture) -> Path:
    dataset = Path(config.data.dataset.rstrip("/")).name.lower()
    switch = denoiser_info(architecture.name).batch_norm
    setting = ("-bn" if architecture.batch_norm else "-nobn") if switch else ""
    return Path("results") / f"{architecture.name}-{dataset}-{config.noise.replace(':', '')}{setting}"


@torch.inference_mode()
def _save_pictures(
    path: Path,
    config: TestConfig,
    model: nn.Module,
    source: Images,
    device: torch.device,
    logits: torch.Tensor | None,
) -> None:
    count = min(_PICTURES, len(source))
    chosen = [i * len(source) // count for i in range(count)]
    columns: dict[str, list[torch.Tensor]] = {"original": [], "noisy": [], "denoised": []}
    for index in chosen:
        clean = source.image(index)[None].float() / 255
        noisy = noisy_images(source, clean, parse_noise(config.noise), [index], config.seed)
        centre = Centre.of(clean, _SIDE)
        columns["original"].append(centre.cut(clean)[0])
        columns["noisy"].append(centre.cut(noisy)[0])
        told = {} if logits is None else {"logits": logits[[index]].to(device)}
        denoised = model(centre.cut_wide(noisy).to(device), **told)
        columns["denoised"].append(centre.cut_back(denoised)[0].float())
    save_grid(path, columns)
