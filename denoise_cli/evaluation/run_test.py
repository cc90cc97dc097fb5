"""Score one denoiser on one data set: `denoise test`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from denoise_cli.config import TestConfig
from denoise_cli.data.names import folder_name
from denoise_cli.data.source import Images, evenly_spaced
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import join, launched_device
from denoise_cli.errors import UsageError
from denoise_cli.evaluation.report.picture_grid import save_grid
from denoise_cli.evaluation.report.record import made_now
from denoise_cli.evaluation.report.replace import check_replaceable
from denoise_cli.evaluation.report.summaries import TestSummary
from denoise_cli.evaluation.scores.guidance_logits import guidance_logits
from denoise_cli.evaluation.scores.intervals import estimate_mean
from denoise_cli.evaluation.scores.leakage import kept_share, leakage_notes
from denoise_cli.evaluation.scores.own_noise import with_own_noise
from denoise_cli.evaluation.scores.scoring import Scores, noisy_images, score
from denoise_cli.evaluation.scores.test_images import (
    Progress,
    Report,
    TestNetwork,
    check_noise,
    load_test_images,
    load_test_network,
)
from denoise_cli.evaluation.scores.windows import Centre
from denoise_cli.files import check_writable, nan_to_none, write_atomic
from denoise_cli.models import denoiser_info
from denoise_cli.noise.spec import parse_noise, short_name
from denoise_cli.text import in_file_name

_PICTURES = 6
# Larger pictures are shown by their centre.
_SIDE = 512


def run_test(
    config: TestConfig, progress: Progress, *, overwrite: bool = False
) -> Report[TestSummary] | None:
    """Score as the config says; under `torchrun` the images are shared, and only rank 0 reports.

    Raises:
        DataError, WeightsError: Images or weights are missing or do not fit.
        OutputExists: The folder holds results of another request, and `overwrite` is not given.
    """
    device = resolve_device(launched_device(config.device))
    with join(device) as world:
        config = with_own_noise(config)
        network = load_test_network(config.model, config.batch_norm, config.weights, config.noise)
        architecture = network.architecture
        folder = config.out or _default_folder(config, network)
        runs = [] if network.external else [network.path]
        share = kept_share(runs, config.data.dataset)
        request = config.model_dump(mode="json", exclude={"device", "out"}) | {
            "model": architecture.name,
            "batch_norm": architecture.batch_norm,
            "weights": str(network.path) if network.label else "bundled",
        }
        if world.is_main:
            check_replaceable(folder / "scores.json", request, overwrite)
        model = network.model.to(device)
        with world.main_first():
            source = load_test_images(config.data, share)
        _check_is_folder(folder)
        check_writable(folder)
        noise = parse_noise(config.noise)
        check_noise(source, noise)
        logits = guidance_logits(
            model, architecture.classes, source, noise, device=device, seed=config.seed, world=world
        )
        with progress("Scoring", len(source)) as advance:
            scores = score(
                network.in_strips(),
                source,
                noise,
                device=device,
                seed=config.seed,
                paper_protocol=config.protocol == "paper",
                world=world,
                on_images=advance,
                logits=logits,
            )
        if not world.is_main:
            return None
    notes = leakage_notes(runs, config.data.dataset, share, len(source))
    summary = _summarise(config, network, source, scores, device, notes)
    columns = ("psnr", "ssim", "noisy_psnr", "noisy_ssim")
    per_image = {name: [round(v, 6) for v in getattr(scores, name).tolist()] for name in columns}
    report = Report(summary, folder)
    record = {**report.rows(), "request": request, "images": list(source.names), "per_image": per_image}
    check_replaceable(folder / "scores.json", request, overwrite)  # another command may have ended first
    write_atomic(folder / "scores.json", (json.dumps(nan_to_none(record)) + "\n").encode())
    _save_pictures(folder / "pictures.png", config, model, source, device, logits)
    return report


def _summarise(
    config: TestConfig,
    network: TestNetwork,
    source: Images,
    scores: Scores,
    device: torch.device,
    notes: tuple[str, ...],
) -> TestSummary:
    groups = None if source.groups is None else source.groups.numpy()
    intervals: dict[str, Any] = {}
    for name in ("psnr", "ssim", "noisy_psnr", "noisy_ssim"):
        found = estimate_mean(getattr(scores, name).numpy(), groups)
        intervals |= {name: found.mean, f"{name}_interval": found.interval}
        intervals |= {f"{name}_left_out": found.left_out} if name in {"psnr", "ssim"} else {}
    architecture = network.architecture
    return TestSummary(
        model=architecture.name,
        batch_norm=architecture.batch_norm,
        weights=config.weights or "bundled",
        sha256=network.sha256,
        trained_on=architecture.noise,
        guidance=architecture.guidance if architecture.classes else None,
        noise=config.noise,
        dataset=config.data.dataset,
        n=len(source),
        skipped=source.skipped,
        notes=notes,
        seed=config.seed,
        device=str(device),
        seconds_per_image=scores.seconds_per_image,
        paper_psnr=scores.paper_psnr,
        paper_ssim=scores.paper_ssim,
        **intervals,
        **made_now(),
    )


def _check_is_folder(folder: Path) -> None:
    """Refuse the name of a file of results, which `compare` would write; raises `UsageError`."""
    if folder.suffix.lower() in {".json", ".csv", ".md", ".html", ".png"} and not folder.is_dir():
        raise UsageError(
            f"A test writes a folder, and {folder} is the name of a file.",
            "Name a folder; --json prints the scores.",
        )


def _default_folder(config: TestConfig, network: TestNetwork) -> Path:
    """A folder of its own for each model, data set, noise and weight file."""
    dataset = folder_name(config.data.dataset)
    noise = short_name(config.noise)
    if network.external:
        return Path("results") / f"{in_file_name(network.label)}-{dataset}-{noise}"
    architecture, label = network.architecture, network.label
    switch = denoiser_info(architecture.name).batch_norm
    setting = ("-bn" if architecture.batch_norm else "-nobn") if switch else ""
    own = f"-{label}" if label else ""
    return Path("results") / f"{architecture.name}-{dataset}-{noise}{setting}{own}"


@torch.inference_mode()
def _save_pictures(
    path: Path,
    config: TestConfig,
    model: nn.Module,
    source: Images,
    device: torch.device,
    logits: torch.Tensor | None,
) -> None:
    columns: dict[str, list[torch.Tensor]] = {"original": [], "noisy": [], "denoised": []}
    for index in evenly_spaced(len(source), _PICTURES):
        clean = source.image(index)[None].float() / 255
        noisy = noisy_images(source, clean, parse_noise(config.noise), [index], config.seed)
        centre = Centre.of(clean, _SIDE)
        columns["original"].append(centre.cut(clean)[0])
        columns["noisy"].append(centre.cut(noisy)[0])
        extra = {} if logits is None else {"logits": logits[[index]].to(device)}
        denoised = model(centre.cut_wide(noisy).to(device), **extra)
        columns["denoised"].append(centre.cut_back(denoised)[0].float())
    save_grid(path, columns)
