"""Optimiser, learning-rate schedule and moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from denoise_cli.config import OptimConfig
from denoise_cli.devices import resolve_precision
from denoise_cli.training.muon import Muon

_Tensors = list[Tensor] | tuple[Tensor, ...]


def build_optimizer(model: nn.Module, config: OptimConfig, device: torch.device) -> torch.optim.Optimizer:
    """Adam, AdamW or Muon over the trainable parameters; fused where the device has it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if config.optimizer == "muon":
        fast = resolve_precision("auto", device)
        dtype = fast if fast == torch.bfloat16 else torch.float32
        return Muon(parameters, config.lr, config.weight_decay, dtype=dtype)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    fused = device.type in {"cpu", "cuda"}
    return kind(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=fused)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Continue the moments of a checkpoint; weight decay and all else are as the config says now."""
    settings = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["state"], "param_groups": settings})


def learning_rate(config: OptimConfig, step: int, total: int) -> float:
    """Learning rate of a step (from 0): linear warm-up, then constant or cosine to 0."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup) / max(1, total - config.warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights and buffers of `model`, which it copies.

    The decay of update n (from 0) is min(decay, (1 + n) / (10 + n)), so that the first weights
    are soon forgotten; update 0 copies.
    """

    def update(averages: _Tensors, values: _Tensors, _: Tensor | int) -> None:
        # Read from the CPU: the count that is passed in lies on the device, and reading it waits.
        count = int(average.n_averaged)
        blend = get_ema_multi_avg_fn(min(decay, (1 + count) / (10 + count)))  # type: ignore[no-untyped-call]
        blend(averages, values, count)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return average


def restore_average(
    average: AveragedModel, state: Mapping[str, Tensor] | None, model: nn.Module, step: int
) -> None:
    """Continue the average of a checkpoint that was saved after `step` updates.

    Args:
        state: The average as saved: the state of an `AveragedModel`, the averaged weights by their
            names in the model (what earlier versions saved), or None where the run had no average;
            then it begins at the weights of `model`.
    """
    if state is not None and "n_averaged" in state:
        average.load_state_dict(state)
        return
    average.module.load_state_dict(model.state_dict() if state is None else state)
    average.n_averaged.fill_(step)
