"""The forward pass of training: compiled where it pays, shared where there are several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from denoise_cli.config import RunConfig
from denoise_cli.distributed import World

# Compiling costs about a minute, which a shorter run never wins back.
_WORTH_COMPILING = 2000


class WrappedModel(nn.Module):
    """Calls the model through `torch.compile` and `DistributedDataParallel` as the config asks.

    The model itself stays as it is: its state dict has no wrappers' names.
    """

    def __init__(
        self,
        model: nn.Module,
        config: RunConfig,
        device: torch.device,
        world: World,
        steps: int,
        note: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._note = note
        inner: Any = model
        if world.size > 1:
            if config.sync_batch_norm and device.type == "cuda":
                inner = nn.SyncBatchNorm.convert_sync_batchnorm(inner)  # type: ignore[no-untyped-call]
            ids = [device.index] if device.type == "cuda" else None
            inner = DistributedDataParallel(inner, device_ids=ids)
        self._plain = inner
        self._call = self._compiled() if _compiles(config.compile, device, steps) else inner
        self._proven = self._call is inner

    def forward(self, *args: Any) -> Any:
        if self._proven:
            return self._call(*args)
        try:
            output = self._call(*args)
        except Exception as error:
            self._call = self._without(error)
            output = self._call(*args)
        self._proven = True
        return output

    def _compiled(self) -> Any:
        """The compiled model, or the plain one where torch refuses at once, as on a Python too new for it."""
        try:
            return torch.compile(self._plain)
        except Exception as error:
            return self._without(error)

    def _without(self, error: Exception) -> Any:
        self._note(f"torch.compile does not work here ({type(error).__name__}); going on without it.")
        return self._plain


def _compiles(choice: str, device: torch.device, steps: int) -> bool:
    """`auto` compiles long runs on a GPU; on CPUs it was not measured to pay."""
    if choice == "auto":
        return device.type == "cuda" and steps >= _WORTH_COMPILING
    return choice == "on"
