"""The training loop."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch
import yaml
from torch import Tensor, nn

from denoise_cli.devices import autocast, resolve_device, resolve_precision
from denoise_cli.errors import OutputExists, TrainingError
from denoise_cli.files import write_atomic
from denoise_cli.noise.spec import parse_noise
from denoise_cli.training.batches import Batches, Stream
from denoise_cli.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from denoise_cli.training.optim import MovingAverage, build_optimizer, learning_rate
from denoise_cli.training.run import RunFolder
from denoise_cli.training.setup import Data, RunConfig, build_model, build_task, load_data, run_name
from denoise_cli.weights.files import Architecture, save_weights

LOG_SECONDS = 1.0


class Reporter(Protocol):
    """Shows progress; the console implements it."""

    def start(self, title: str, total: int, done: int) -> None:
        """Training begins at step `done` of `total`."""

    def step(self, step: int, loss: float, images_per_second: float) -> None:
        """Called about once a second."""

    def validation(self, step: int, scores: dict[str, float], best: bool) -> None:
        """Called after each validation."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came; the step was finished and saved."""

    def __init__(self, signum: int, run: Path) -> None:
        super().__init__(f"Stopped; the state is in {run}.")
        self.signum = signum
        self.run = run


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished run reached."""

    run: Path
    scores: dict[str, float]
    steps: int
    seconds: float


def train(config: RunConfig, reporter: Reporter, *, resume: bool = False, overwrite: bool = False) -> Result:
    """Train as the config says and leave a run folder.

    Raises:
        OutputExists: The run folder is there and neither `resume` nor `overwrite` is given.
        TrainingError: The loss is not finite, or the state cannot be saved.
        Interrupted: By a signal, after saving.
    """
    run = RunFolder(config.out or run_name(config))
    _claim(run, resume, overwrite)
    device = resolve_device(config.device)
    data = load_data(config)
    architecture, model = build_model(config, data)
    run.path.mkdir(parents=True, exist_ok=True)
    write_atomic(run.config, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).encode())
    if data.skipped:
        reporter.note(f"{len(data.skipped)} files could not be read, such as {data.skipped[0]}")
    return Trainer(config, run, data, architecture, model, device, reporter).run()


class Trainer:
    """One run: its model, optimiser and place in the data."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        data: Data,
        architecture: Architecture,
        model: nn.Module,
        device: torch.device,
        reporter: Reporter,
    ) -> None:
        self.config, self.folder, self.data, self.reporter = config, run, data, reporter
        self.architecture, self.device = architecture, device
        self.task = build_task(config)
        self.dtype = resolve_precision(config.precision, device)
        self.model = model.to(device, memory_format=torch.channels_last)
        self.optimizer = build_optimizer(self.model, config.optim, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.average = MovingAverage(self.model, config.optim.ema) if config.optim.ema else None
        streams = tuple(Stream(s.source.to(device), s.crop, s.rescale, s.weight) for s in data.streams)
        self.batches = Batches(
            streams,
            parse_noise(config.noise),
            config.batch_size,
            config.seed,
            flip=config.data.flip,
            rotate=config.data.rotate,
            grey=config.data.grey,
            weaker=getattr(config, "clean_share", 0.0),
        )
        self.steps_per_epoch = max(1, math.ceil(data.images / config.batch_size))
        self.total = config.steps or math.ceil((config.epochs or 10) * data.images / config.batch_size)
        self.step, self.best, self.seconds = 0, None, 0.0

    def run(self) -> Result:
        """Train to the end."""
        self._restore()
        every = max(1, round(self.config.validate_every * self.steps_per_epoch))
        self.reporter.start(str(self.folder.path), self.total, self.step)
        meter = _Meter(self.config.batch_size, self.device)
        scores: dict[str, float] = {}
        with _signals() as received:
            self.model.train()
            while self.step < self.total:
                meter.add(self._train_step())
                self.step += 1
                if meter.due or self.step == self.total:
                    self._log(meter)
                if self.step % every == 0 or self.step == self.total:
                    self._log(meter)
                    scores = self._validate()
                    self._save()
                    meter.restart()
                if received:
                    self._log(meter)
                    self._save()
                    raise Interrupted(received[0], self.folder.path)
        self.folder.log("done", step=self.step, seconds=self.seconds, **scores)
        return Result(self.folder.path, scores, self.step, self.seconds)

    def _train_step(self) -> Tensor:
        """One optimiser step; returns the loss on the device, so that nothing waits for it."""
        batch = self.batches[self.step]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.optim, self.step, self.total)
        with autocast(self.device, self.dtype):
            loss = self.task.loss(self.model, batch, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.config.optim.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model, self.step)
        return loss.detach()

    def _log(self, meter: _Meter) -> None:
        if not meter.count:
            return
        loss, speed, seconds = meter.read()
        self.seconds += seconds
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is not finite any more at step {self.step}.",
                "Lower --lr, or use --set precision=fp32; the last checkpoint is intact.",
            )
        self.folder.log("train", step=self.step, loss=loss, images_per_second=round(speed, 1))
        self.reporter.step(self.step, loss, speed)

    def _validate(self) -> dict[str, float]:
        start = time.perf_counter()
        with self._averaged() as model:
            scores = self.task.validate(model, self.data.validation, self.device)
            save_weights(self.folder.last, model, self.architecture)
            value = scores[self.task.metric]
            better = self.data.held_out and (self.best is None or value > self.best)
            if better:
                self.best = value
                save_weights(self.folder.best, model, self.architecture)
        self.seconds += time.perf_counter() - start
        self.folder.log("validation", step=self.step, seconds=round(self.seconds, 2), **scores)
        self.reporter.validation(self.step, scores, better)
        return scores

    @contextmanager
    def _averaged(self) -> Iterator[nn.Module]:
        """The model with its averaged weights, if there are any, for the time of the block."""
        if self.average is None:
            yield self.model
            return
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.state)
        try:
            yield self.model
        finally:
            self.model.load_state_dict(kept)

    def _save(self) -> None:
        state = Checkpoint(
            step=self.step,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average=self.average.state if self.average else None,
            scaler=self.scaler.state_dict() if self.scaler.is_enabled() else None,
            best=self.best,
            seconds=self.seconds,
        )
        try:
            save_checkpoint(self.folder.checkpoints, state)
        except OSError as error:
            raise TrainingError(
                f"The state cannot be saved in {self.folder.path}: {error.strerror}.",
                f"Make room, then: denoise train --resume {self.folder.path}",
            ) from error

    def _restore(self) -> None:
        state = load_checkpoint(self.folder.checkpoints)
        if state is None:
            return
        self.model.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        if self.average is not None and state.average is not None:
            self.average.state = {name: value.to(self.device) for name, value in state.average.items()}
        if state.scaler is not None:
            self.scaler.load_state_dict(state.scaler)
        self.step, self.best, self.seconds = state.step, state.best, state.seconds


class _Meter:
    """Mean loss and speed since the last reading; reads the device only when asked."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self._batch_size = batch_size
        self._sum = torch.zeros((), device=device)
        self.count = 0
        self._start = time.perf_counter()

    def add(self, loss: Tensor) -> None:
        self._sum += loss.float()
        self.count += 1

    @property
    def due(self) -> bool:
        return time.perf_counter() - self._start >= LOG_SECONDS

    def read(self) -> tuple[float, float, float]:
        """Mean loss, images per second, and seconds since the last reading."""
        loss = float(self._sum) / self.count
        seconds = time.perf_counter() - self._start
        speed = self._batch_size * self.count / seconds
        self._sum.zero_()
        self.restart()
        return loss, speed, seconds

    def restart(self) -> None:
        self.count, self._start = 0, time.perf_counter()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying by them; a second one is not held back."""
    received: list[int] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        signal.signal(signum, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _claim(run: RunFolder, resume: bool, overwrite: bool) -> None:
    """Make sure that nothing of another run is lost."""
    if resume or not run.path.exists():
        return
    if run.path.is_dir() and not any(run.path.iterdir()):
        return
    if not overwrite:
        state = "a finished run" if run.is_finished else "a run" if run.config.exists() else "something"
        raise OutputExists(
            f"{run.path} holds {state} already.",
            f"Continue it with --resume {run.path}, replace it with --overwrite, or choose another --out.",
        )
    if not run.config.exists():
        raise OutputExists(f"{run.path} is not a run folder, so it is not replaced.", "Choose another --out.")
    for path in (run.config, run.metrics, run.last, run.best, run.curve, *run.checkpoints.glob("step-*.pt")):
        path.unlink(missing_ok=True)
