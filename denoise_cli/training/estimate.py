"""What a run takes, before it is begun: time, by a few steps measured on this machine, and disk space."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from denoise_cli.config import ClassifyConfig, MixItem, RunConfig, TrainConfig
from denoise_cli.data.extent import training_extent
from denoise_cli.data.load import has_no_parts
from denoise_cli.devices import autocast, resolve_device, resolve_precision
from denoise_cli.errors import DataError
from denoise_cli.noise.apply import add_noise
from denoise_cli.noise.spec import is_real, parse_noise
from denoise_cli.runs import RunFolder
from denoise_cli.training.checkpoint import KEEP
from denoise_cli.training.data import DEFAULT_CROP
from denoise_cli.training.optim import build_optimizer
from denoise_cli.training.tasks import pixel_loss
from denoise_cli.weights.files import build
from denoise_cli.weights.header import WeightsHeader

# Long enough to be told from chance, short enough for a plan of ten networks.
_SECONDS = 0.5
_MOST_STEPS = 5
# Images of a step that is measured on a CPU, where the time goes with their number.
_FEW = 16
# A validation image costs about this share of a training image: no gradient, but SSIM.
_VALIDATION_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """About what a run takes.

    Attributes:
        seconds: Of training, from where the run has come to; None where its images are not there yet.
        disk: Bytes of its folder: two weight files and the training states.
    """

    seconds: float | None
    disk: int


class Estimator:
    """Estimates runs; the speed of each kind of network is measured once, on random pictures."""

    def __init__(self) -> None:
        self._speeds: dict[tuple[Any, ...], float] = {}

    def estimate(self, config: RunConfig) -> Estimate:
        """About what this run takes, in one process on this machine."""
        try:
            images, side = _extent(config)
        except DataError:
            return Estimate(None, disk_of(config, _build(config, DEFAULT_CROP)))
        network = _build(config, side)
        speed = self._speed(config, network, side)
        every = max(1.0, config.validate_every * images)
        total = config.steps * config.batch_size if config.steps else (config.epochs or 10) * images
        validated = config.data.validation_limit if config.data.holdout == 0 else config.data.holdout * images
        validations = max(1.0, total / every) * min(config.data.validation_limit, validated)
        work = total + _VALIDATION_SHARE * validations
        left = 1 - min(1.0, _steps_done(config) * config.batch_size / total)
        return Estimate(left * work / speed, disk_of(config, network))

    def _speed(self, config: RunConfig, network: nn.Module, side: int) -> float:
        """Images per second, measured once for each kind of network."""
        key = (config.label, config.batch_norm, side, config.batch_size, config.precision, config.noise)
        if key not in self._speeds:
            self._speeds[key] = measure_speed(config, network, side)
        return self._speeds[key]


def measure_speed(config: RunConfig, network: nn.Module, side: int) -> float:
    """Training images per second: a few steps with the noise, arithmetic and optimiser of the config.

    Args:
        network: The config's; its weights are changed.
        side: Of the square pictures, in pixels.
    """
    device = resolve_device(config.device)
    dtype = resolve_precision(config.precision, device)
    network = network.to(device).to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(network, config.optim, device)
    count = min(config.batch_size, _FEW) if device.type == "cpu" else config.batch_size
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(count, 3, side, side, generator=generator).to(device)
    noise = parse_noise("basic") if is_real(parse_noise(config.noise)) else parse_noise(config.noise)
    labels = torch.zeros(count, dtype=torch.int64, device=device)

    def step() -> None:
        noisy = add_noise(clean, noise, generator).contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, dtype):
            output = network(noisy).float()
            if isinstance(config, TrainConfig):
                loss = pixel_loss(config.loss, output, clean)
            else:
                loss = nn.functional.cross_entropy(output, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        float(loss.detach())  # Waits for the device.

    with torch.random.fork_rng(devices=[]):
        step()  # The first one also allocates memory and chooses algorithms.
        start, steps = time.perf_counter(), 0
        while steps == 0 or (steps < _MOST_STEPS and time.perf_counter() - start < _SECONDS):
            step()
            steps += 1
    return count * steps / (time.perf_counter() - start)


def disk_of(config: RunConfig, network: nn.Module) -> int:
    """Bytes of a finished run's folder: weights twice, and states to resume from with two moments each."""
    weights = sum(int(value.nbytes) for value in network.state_dict().values())
    trained = sum(int(value.nbytes) for value in network.parameters() if value.requires_grad)
    average = weights if config.optim.ema else 0
    return 2 * weights + KEEP * (weights + 2 * trained + average)


def _extent(config: RunConfig) -> tuple[int, int]:
    """Training images and the side of their crops."""
    data = config.data
    wanted = data.mix or (MixItem(dataset=data.dataset, crop=data.crop),)
    found = [(item, *training_extent(item.dataset)) for item in wanted]
    images = sum(count for _, count, _ in found)
    if not data.mix and has_no_parts(data.dataset):
        images = round(images * (1 - data.test_share))
    if data.limit is not None:
        images = min(images, data.limit * len(found))
    side = max(item.crop or data.crop or data.resize or size or DEFAULT_CROP for item, _, size in found)
    return max(1, round(images * (1 - data.holdout))), side


def _steps_done(config: RunConfig) -> int:
    return max((row.get("step", 0) for row in RunFolder(config.folder).events()), default=0)


def _build(config: RunConfig, side: int) -> nn.Module:
    """The network that a config trains, with fresh weights."""
    size = 8 * math.ceil(side / 8)
    if isinstance(config, ClassifyConfig):
        return build(WeightsHeader("classifier", config.model, config.batch_norm, image_size=size))
    assert isinstance(config, TrainConfig)
    # The source of guidance costs little beside the rest, so `predicted` stands for all.
    return build(
        WeightsHeader(
            "denoiser",
            config.model,
            config.batch_norm,
            image_size=size,
            injection=config.guidance.injection,
        )
    )
