"""Muon: momentum, orthogonalised (Jordan et al., 2024), for the hidden kernels of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic Newton-Schulz iteration of Jordan et al.: singular values come near 1 in five steps.
_STEPS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
# Kernels with fewer channels on one side are the ends of a network, or depthwise: AdamW's.
_LEAST_CHANNELS = 32
_EPS = 1e-8


class Muon(torch.optim.Optimizer):
    """Muon for kernels between at least 32 channels and as many; AdamW for all other parameters.

    A kernel `[out, in, ...]` is updated as the matrix `[out, in * ...]`. Updates are scaled to the
    size of AdamW's (Liu et al., 2025: 0.2 * sqrt(longer side)), so one learning rate fits both.
    Weight decay is decoupled. `torch.optim.Muon` takes matrices only.

    Args:
        parameters: Trainable parameters.
        lr: Learning rate.
        weight_decay: Share of a weight lost per step, times `lr`.
        momentum: Of Muon (Nesterov's).
        betas: Decay of AdamW's two moments.
        dtype: In which kernels are orthogonalised; bfloat16 is enough where it is fast.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        kernels: list[Tensor] = []
        others: list[Tensor] = []
        for parameter in parameters:
            is_kernel = parameter.ndim >= 2 and min(parameter.shape[:2]) >= _LEAST_CHANNELS
            (kernels if is_kernel else others).append(parameter)
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        groups = [{"params": kernels, "orthogonal": True}, {"params": others, "orthogonal": False}]
        super().__init__([group for group in groups if group["params"]], defaults)
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._orthogonal if group["orthogonal"] else _adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    change = update(parameter.grad, self.state[parameter], group)
                    parameter.add_(change, alpha=-group["lr"])
        return loss

    def _orthogonal(self, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(average, group["momentum"]).flatten(1)
        change = orthogonalise(matrix.to(self._dtype)).to(gradient.dtype)
        return change.mul_(0.2 * max(matrix.shape) ** 0.5).view_as(gradient)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal matrix that is closest: all singular values between about 0.7 and 1.2."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if is_tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if is_tall else x


def _adam(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if not state:
        state.update(step=0, first=torch.zeros_like(gradient), second=torch.zeros_like(gradient))
    state["step"] += 1
    first, second = group["betas"]
    mean = state["first"].lerp_(gradient, 1 - first) / (1 - first ** state["step"])
    square = state["second"].lerp_(gradient.square(), 1 - second) / (1 - second ** state["step"])
    change: Tensor = mean / square.sqrt_().add_(_EPS)
    return change
