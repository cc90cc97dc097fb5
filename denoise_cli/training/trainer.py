"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor, nn

from denoise_cli.config import RunConfig, TrainConfig
from denoise_cli.devices import autocast, device_name, resolve_precision
from denoise_cli.distributed import World
from denoise_cli.errors import ConfigError, TrainingError, counted, quoted
from denoise_cli.evaluation.report.picture_grid import save_grid
from denoise_cli.noise.spec import parse_noise
from denoise_cli.runs import RunFolder
from denoise_cli.training.batches import Batches, Prefetcher, on_device
from denoise_cli.training.build import build_task
from denoise_cli.training.checkpoint import Checkpoint, list_checkpoints, load_checkpoint, save_checkpoint
from denoise_cli.training.curve import draw_curve
from denoise_cli.training.data import Data
from denoise_cli.training.loggers import Logger, open_logger
from denoise_cli.training.meter import Meter
from denoise_cli.training.optim import (
    build_optimizer,
    learning_rate,
    moving_average,
    restore_average,
    restore_optimizer,
)
from denoise_cli.training.overview import describe_run
from denoise_cli.training.parallel import WrappedModel
from denoise_cli.training.signals import Interrupted, catch_signals
from denoise_cli.weights.files import save_weights
from denoise_cli.weights.header import WeightsHeader

LOG_SECONDS = 1.0
# Between drawings of the curve while training goes on: it takes about as long as a few steps.
CURVE_SECONDS = 30.0
# Steps between checks for a stop, because agreeing on one waits for the device.
STOP_EVERY = 10


class Reporter(Protocol):
    """Shows progress; the console implements it."""

    def start(self, title: str, about: Sequence[str], total: int, done: int, steps_per_epoch: int) -> None:
        """Training begins at step `done` of `total`; `about` is what there is to know of it, as lines."""

    def step(self, step: int, loss: float, images_per_second: float) -> None:
        """Called about once a second."""

    def validation(self, step: int, scores: dict[str, float], best: bool) -> None:
        """Called after each validation."""

    def note(self, text: str) -> None:
        """A message to the user."""


class Trainer:
    """One run: its model, optimiser and place in the data."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        data: Data,
        architecture: WeightsHeader,
        model: nn.Module,
        device: torch.device,
        world: World,
        reporter: Reporter,
    ) -> None:
        _check_batch_size(config, world)
        _check_patience(config, data)
        self.config, self.run_folder, self.data, self.reporter = config, run, data, reporter
        self.architecture, self.device, self.world = architecture, device, world
        self.task = build_task(config, architecture)
        self.dtype = resolve_precision(config.precision, device)
        self.steps_per_epoch = max(1, math.ceil(data.images / config.batch_size))
        self.total = config.steps or math.ceil((config.epochs or 10) * data.images / config.batch_size)
        self.step, self.seconds, self.resumed = 0, 0.0, False
        self.best: float | None = None
        # Validations since the best one.
        self.stale = 0
        self.logger: Logger | None = None
        self.curve_drawn = time.monotonic()
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.optimizer = build_optimizer(self.model, config.optim, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.average = moving_average(self.model, config.optim.ema) if config.optim.ema else None
        self.wrapped = WrappedModel(self.model, config, device, world, self.total, reporter.note)
        batches = Batches(
            tuple(on_device(stream, device) for stream in data.streams),
            parse_noise(config.noise),
            config.batch_size,
            config.seed,
            device,
            flip=config.data.flip,
            rotate=config.data.rotate,
            grey=config.data.grey,
            weaker=getattr(config, "clean_share", 0.0),
            rank=world.rank,
            world=world.size,
        )
        self.batches = Prefetcher(batches)

    def run(self, changed: Mapping[str, Any] | None = None) -> None:
        """Train to the end.

        Args:
            changed: Settings that a resumed run goes on with in place of its own, for the log.
        """
        every = max(1, round(min(self.config.validate_every * self.steps_per_epoch, self.total)))
        scores: dict[str, float] = {}
        if self.resumed and self.world.is_main and not self.is_done:
            self.run_folder.forget_after(self.step)
        more = {"changed": changed} if changed else {}
        self._event("start", device=device_name(self.device), processes=self.world.size, **more)
        with catch_signals() as received, self._logging():
            self.reporter.start(
                str(self.run_folder.path), describe_run(self), self.total, self.step, self.steps_per_epoch
            )
            meter = Meter(self.config.batch_size, self.device)
            saved = time.monotonic()
            self._train_mode()
            while not self.is_done:
                meter.add(self._train_step())
                self.step += 1
                if meter.seconds >= LOG_SECONDS:
                    self._log(meter)
                if self.step % every == 0 or self.step == self.total:
                    self._log(meter)
                    scores = self._validate()
                if self._stops(received):
                    self._log(meter)
                    self._save()
                    self._event("interrupted")
                    raise Interrupted(
                        received[0] if received else 15, self.run_folder.path, self.config.command
                    )
                if self.step % every == 0 or time.monotonic() - saved >= self.config.save_seconds:
                    self._log(meter)
                    self._save()
                    saved = time.monotonic()
                    meter.restart()
            if self.world.any(not self.run_folder.last.is_file(), self.device):
                # Resumed at its final step without ever having been validated: write the weights now.
                scores = self._validate()
            self._save()
            early = {"stopped_early": True} if self.step < self.total else {}
            self._event("done", **scores, **early)
        if early:
            self.reporter.note(
                f"No better score in {counted(self.stale, 'validation')}: stopped at step {self.step}."
            )

    @property
    def is_done(self) -> bool:
        """Whether the last step is done, or the score has not risen for as long as `patience` allows."""
        patience = self.config.patience
        return self.step >= self.total or (patience is not None and self.stale >= patience)

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Keep the tracker of the config open in the main process."""
        if self.world.is_main:
            self.logger = open_logger(self.config, self.run_folder, self.step)
        failed = True
        try:
            yield
            failed = False
        except Interrupted:
            failed = False
            raise
        finally:
            if self.logger is not None:
                self.logger.close(failed=failed)

    def _train_mode(self) -> None:
        """Switch to training mode; frozen batch norms keep their statistics."""
        self.model.train()
        if self.config.freeze_batch_norm:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _train_step(self) -> Tensor:
        """One optimiser step; returns the loss on the device, so that nothing waits for it."""
        batch = self.batches[self.step]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.optim, self.step, self.total)
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device, self.dtype):
            loss = self.task.loss(self.wrapped, batch, self.step)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.optim.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return self.world.mean(loss.detach())

    def _stops(self, received: list[int]) -> bool:
        """Whether to stop after this step; all processes come to the same answer."""
        if self.world.size == 1:
            return bool(received)
        return self.step % STOP_EVERY == 0 and self.world.any(bool(received), self.device)

    def _log(self, meter: Meter) -> None:
        if not meter.count:
            return
        loss, speed, seconds = meter.read()
        self.seconds += seconds
        if not math.isfinite(loss):
            self._fail("loss is")
        rate = learning_rate(self.config.optim, self.step - 1, self.total)
        self._event("train", loss=loss, learning_rate=rate, images_per_second=round(speed, 1))
        self.reporter.step(self.step, loss, speed)

    def _fail(self, what: str) -> NoReturn:
        """End a run that has diverged; nothing of it is saved after its last good state."""
        self._event("failed")
        kept = list_checkpoints(self.run_folder.checkpoints)
        again = f"denoise {self.config.command} --resume {quoted(self.run_folder.path)} --lr SMALLER"
        raise TrainingError(
            f"Training has diverged: the {what} not finite any more at step {self.step}.",
            "Lower --lr, set optim.clip, or use --set precision=fp32"
            + (f"; the last good state is kept: {again}" if kept else "; no state was saved yet."),
        )

    def _check_weights(self) -> None:
        """Fail where the weights are not finite: they must replace no good ones."""
        values = (*self.model.parameters(), *self.model.buffers())
        if not all(bool(value.isfinite().all()) for value in values):
            self._fail("weights are")

    def _validate(self) -> dict[str, float]:
        start = time.perf_counter()
        better = False
        model = self.model if self.average is None else self.average.module
        # Each process has the batch statistics of its own images; those of rank 0 are scored and saved.
        self.world.broadcast_from_main(model.buffers())
        scores = self.task.validate(model, self.data.validation, self.device, self.world)
        value = scores[self.task.metric]
        if math.isnan(value):
            self._fail("validation score is")
        self._check_weights()
        if self.data.held_out and (self.best is None or value > self.best):
            better, self.best, self.stale = True, value, 0
        elif self.data.held_out:
            self.stale += 1
        if self.world.is_main:
            save_weights(self.run_folder.last, model, self.architecture)
            if better:
                save_weights(self.run_folder.best, model, self.architecture)
            self._draw_samples(model)
        self._train_mode()
        self.seconds += time.perf_counter() - start
        self._event("validation", **scores)
        self.reporter.validation(self.step, scores, better)
        if self.world.is_main and time.monotonic() - self.curve_drawn >= CURVE_SECONDS:
            draw_curve(self.run_folder)
            self.curve_drawn = time.monotonic()
        return scores

    def _draw_samples(self, model: nn.Module) -> None:
        """Show a few validation pictures as the network cleans them now."""
        columns = self.task.samples(model, self.data.validation, self.device)
        if not columns:
            return
        path = self.run_folder.sample(self.step)
        with suppress(OSError):  # A disk that is full is told of where the state is saved.
            save_grid(path, columns)
            if self.logger is not None:
                self.logger.picture("samples", path, self.step)

    def _event(self, name: str, **values: Any) -> None:
        if self.world.is_main:
            self.run_folder.log(name, step=self.step, seconds=round(self.seconds, 2), **values)
            if self.logger is not None and name in {"train", "validation"}:
                self.logger.scores({f"{name}/{key}": value for key, value in values.items()}, self.step)

    def _save(self) -> None:
        if not self.world.is_main:
            return
        self._check_weights()
        state = Checkpoint(
            step=self.step,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average=None if self.average is None else self.average.state_dict(),
            scaler=self.scaler.state_dict() if self.scaler.is_enabled() else None,
            best=self.best,
            seconds=self.seconds,
            classes=self.architecture.classes,
            images=self.data.fingerprint,
            stale=self.stale,
        )
        try:
            save_checkpoint(self.run_folder.checkpoints, state)
        except OSError as error:
            raise TrainingError(
                f"The state cannot be saved in {self.run_folder.path}: {error.strerror}.",
                f"Make room, then: denoise {self.config.command} --resume {quoted(self.run_folder.path)}",
            ) from error

    def restore(self) -> None:
        """Continue from the newest checkpoint of the run folder, where it has one.

        Raises:
            TrainingError: It is of another network or of other images, or cannot be read.
        """
        self.resumed = True
        state = load_checkpoint(self.run_folder.checkpoints)
        if state is None:
            return
        self._check_origin(state)
        try:
            self.model.load_state_dict(state.model)
            restore_optimizer(self.optimizer, state.optimizer)
            if self.average is not None:
                restore_average(self.average, state.average, self.model, state.step)
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"The checkpoint of {self.run_folder.path} is of another network: other classes?",
                self._anew(),
            ) from error
        if state.scaler is not None:
            self.scaler.load_state_dict(state.scaler)
        self.step, self.seconds, self.stale = state.step, state.seconds, state.stale
        # Earlier versions could take a score that is no number for the best.
        self.best = None if state.best is None or math.isnan(state.best) else state.best

    def _check_origin(self, state: Checkpoint) -> None:
        """Refuse images or classes that the run did not begin with: what it held out may be among them."""
        begun, now = state.classes, self.architecture.classes
        if begun is not None and begun != now:
            raise TrainingError(
                f"The run {self.run_folder.path} has the classes {_shown(begun)}, and the data set now has "
                f"{_shown(now)}.",
                self._anew(),
            )
        if state.images is not None and state.images != self.data.fingerprint:
            raise TrainingError(
                f"The images are not those that the run {self.run_folder.path} began with, so its scores "
                "would not compare.",
                f"Put them back as they were. {self._anew()}",
            )

    def _anew(self) -> str:
        run = quoted(self.run_folder.path)
        return f"Or train anew: denoise {self.config.command} --set init={run} --output FOLDER ..."


def _check_batch_size(config: RunConfig, world: World) -> None:
    if config.batch_size % world.size:
        raise ConfigError(
            f"batch_size {config.batch_size} is not a multiple of {world.size} processes.",
            f"Take --batch-size {-(-config.batch_size // world.size) * world.size}.",
        )
    guidance = config.guidance.source if isinstance(config, TrainConfig) else None
    if guidance == "shuffled" and config.batch_size // world.size < 2:
        raise ConfigError(
            "With guidance.source `shuffled` each picture is told of another of its batch, which has one.",
            "Use --batch-size 2 or more for each process.",
        )


def _check_patience(config: RunConfig, data: Data) -> None:
    if config.patience is not None and not data.held_out:
        raise ConfigError(
            "`patience` stops by the score on pictures held out, and data.holdout is 0.",
            "Leave --patience out, or hold some out: --set data.holdout=0.05.",
        )


def _shown(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
