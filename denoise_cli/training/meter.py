"""Mean loss and speed between two readings."""

from __future__ import annotations

import time

import torch
from torch import Tensor


class Meter:
    """Adds up losses on their device; waits for it only when read."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self._batch_size = batch_size
        self._sum = torch.zeros((), device=device)
        self._start = time.perf_counter()
        self.count = 0

    def add(self, loss: Tensor) -> None:
        """Count one step with its loss, a scalar."""
        self._sum += loss.float()
        self.count += 1

    @property
    def seconds(self) -> float:
        """Time since the last reading."""
        return time.perf_counter() - self._start

    def read(self) -> tuple[float, float, float]:
        """Mean loss, images per second and seconds since the last reading; starts anew."""
        loss, seconds = float(self._sum) / self.count, self.seconds
        speed = self._batch_size * self.count / seconds
        self._sum.zero_()
        self.restart()
        return loss, speed, seconds

    def restart(self) -> None:
        """Leave out what has just taken time (validation, saving)."""
        self.count, self._start = 0, time.perf_counter()
