"""Optimiser, learning-rate schedule and moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from denoise_cli.config import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig, device: torch.device) -> torch.optim.Optimizer:
    """Adam or AdamW over the trainable parameters, fused where the device has it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    fused = device.type in {"cpu", "cuda"}
    return kind(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=fused)


def learning_rate(config: OptimConfig, step: int, total: int) -> float:
    """Learning rate of a step (from 0): linear warm-up, then constant or cosine to 0."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup) / max(1, total - config.warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class MovingAverage:
    """Exponential moving average of a model's floating-point state.

    The decay rises with the step, min(decay, (1 + step) / (10 + step)), so that the first
    weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move toward the model's state after optimiser step `step` (from 0)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        floating: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, value in model.state_dict().items():
            mine = self.state[name]
            if mine.is_floating_point():
                floating[0].append(mine)
                floating[1].append(value)
            else:
                mine.copy_(value)
        torch._foreach_lerp_(floating[0], floating[1], weight)
