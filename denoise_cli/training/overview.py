"""What a run is, in a few lines before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from denoise_cli.config import RunConfig
from denoise_cli.devices import device_name
from denoise_cli.errors import counted
from denoise_cli.models import denoiser_info

if TYPE_CHECKING:
    from denoise_cli.training.trainer import Trainer

_PRECISIONS = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def describe_run(trainer: Trainer) -> list[str]:
    """Network, device and arithmetic; pictures and noise; length."""
    config, data = trainer.config, trainer.data
    parameters = sum(value.numel() for value in trainer.model.parameters())
    trained = sum(value.numel() for value in trainer.model.parameters() if value.requires_grad)
    frozen = "" if trained == parameters else f", {trained:,} of them trained"
    processes = "" if trainer.world.size == 1 else f", {trainer.world.size} processes"
    validation = f"{len(data.validation):,} {'held out' if data.held_out else 'of the test'} for validation"
    return [
        f"{_network(config)}: {parameters:,} parameters{frozen}; "
        f"on {device_name(trainer.device)}{processes}, {_PRECISIONS[trainer.dtype]}",
        f"{counted(data.images, 'picture')} to train on, {validation}; noise {config.noise}"
        + ("" if config.scoring_noise == config.noise else f", validated under {config.scoring_noise}"),
        f"{counted(trainer.total, 'step')} of {counted(config.batch_size, 'picture')}, "
        f"{trainer.total / trainer.steps_per_epoch:.1f} epochs"
        + (f"; goes on after step {trainer.step}" if trainer.step else ""),
    ]


def _network(config: RunConfig) -> str:
    switch = config.is_classifier or denoiser_info(config.model).batch_norm
    return f"{config.label} without batch norm" if switch and not config.batch_norm else config.label
