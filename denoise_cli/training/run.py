"""From a config to a finished run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from denoise_cli.config import RunConfig, load_config
from denoise_cli.data.load import has_no_parts, is_paired_dataset
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import join, launched_device, was_restarted
from denoise_cli.errors import ConfigError, OutputExists, TrainingError, UsageError, left_out, quoted
from denoise_cli.files import remove_leftovers, write_atomic
from denoise_cli.noise.like.photos import kept_noise, measured_yaml
from denoise_cli.noise.spec import REAL
from denoise_cli.runs import RunFolder
from denoise_cli.training.build import build_model
from denoise_cli.training.card import write_card
from denoise_cli.training.checkpoint import list_checkpoints
from denoise_cli.training.curve import draw_curve, write_table
from denoise_cli.training.data import Data, load_data, memory_share, with_classes
from denoise_cli.training.loggers import check_logger
from denoise_cli.training.trainer import Reporter, Trainer

_NAMED = 10
# What a run is: with any of these changed, its best score, or what it held out, would mean nothing.
_FIXED = frozenset(
    {"model", "batch_norm", "guidance.source", "guidance.injection", "classifier", "init", "seed", "noise"}
    | {"validate_noise"}
    | {
        f"data.{key}"
        for key in [
            "dataset",
            "mix",
            "crop",
            "resize",
            "limit",
            "holdout",
            "test_share",
            "validation_limit",
            "classes",
        ]
    }
)
# Where it is computed and read from.
_ELSEWHERE = frozenset({"out", "device", "compile", "data.data_dir"})

C = TypeVar("C", bound=RunConfig)
Changes = dict[str, tuple[Any, Any]]
"""Settings by key: before and now."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The outcome of a finished run.

    Attributes:
        run: Its folder.
        weights: The weight file to use.
        steps, seconds: Its length, over all sittings.
    """

    run: Path
    weights: Path
    steps: int
    seconds: float


def train(
    config: RunConfig, reporter: Reporter, *, resume: bool = False, overwrite: bool = False
) -> TrainResult | None:
    """Train as the config says and leave a run folder.

    Under `torchrun`, every process calls this; only rank 0 writes, reports and gets a result.

    Raises:
        OutputExists: The run folder is there and neither `resume` nor `overwrite` is given, or
            another process trains in it.
        ConfigError: A run is resumed as what it is not.
        UsageError: The tracker to log to is not installed, or both `resume` and `overwrite` are given.
        TrainingError: It diverged, its state cannot be saved, or its checkpoints are gone.
        Interrupted: By a signal, after saving.
    """
    if resume and overwrite:
        raise UsageError(
            "To go on with a run and to replace it exclude each other.", "Leave out --resume or --overwrite."
        )
    check_logger(config.log)
    if (
        "noise" not in config.model_fields_set
        and not config.data.mix
        and is_paired_dataset(config.data.dataset)
    ):
        config = config.model_copy(update={"noise": REAL.name})
    run = RunFolder(config.folder)
    asked = config.noise
    noise = kept_noise(asked, run.noise)
    if noise != asked:  # The folder's name comes from the noise, so it is settled first.
        config = config.model_copy(update={"noise": noise, "out": run.path})
    device = resolve_device(launched_device(config.device))
    resume = resume or was_restarted()
    if resume and run.config.is_file():
        config = _as_begun(config, run)
    measured = ""
    with join(device) as world, ExitStack() as stack:
        changed: dict[str, Any] = {}
        if world.is_main:
            _check_free(run, config, resume, overwrite)
            if noise != asked and not (resume and run.noise.is_file()):
                measured = measured_yaml(asked)
            stack.enter_context(run.hold())
            # Until now another process may have trained here.
            changed = _check_free(run, config, resume, overwrite)
        memory = min(world.gather(memory_share()))
        with world.main_first():
            data = load_data(config, memory)
        architecture, model = build_model(config, data)
        if architecture.guidance == "oracle":
            data = with_classes(data, architecture.classes)
        shown = reporter if world.is_main else SilentReporter()
        trainer = Trainer(config, run, data, architecture, model, device, world, shown)
        if resume:
            trainer.restore()
        if world.gather(resume and run.is_finished and trainer.is_done)[0]:
            shown.note(f"{run.path} is finished at step {trainer.step}: nothing to train, nothing changed.")
        else:
            _train(trainer, run, config, changed, resume, measured)
    if not world.is_main:
        return None
    weights = run.best if run.best.is_file() else run.last
    return TrainResult(run.path, weights, trainer.step, trainer.seconds)


def _train(
    trainer: Trainer,
    run: RunFolder,
    config: RunConfig,
    changed: Mapping[str, Any],
    resume: bool,
    measured: str,
) -> None:
    """Make the folder this run's, train to the end, and draw its curve whatever the end."""
    world, reporter = trainer.world, trainer.reporter
    # Delete the old run only once the new one has been validated.
    if world.is_main:
        _take(run, config, measured, keep=resume)
    world.wait()
    dataset, share = config.data.dataset, 0.0 if config.data.mix else config.data.test_share
    if share and has_no_parts(dataset):
        reporter.note(f"{dataset} has no test part: {share:.0%} of its pictures are kept for testing.")
    for key, (before, now) in changed.items():
        reporter.note(f"Changed: {key} is {now}, and was {before}.")
    try:
        trainer.run({key: now for key, (_, now) in changed.items()})
        if world.is_main:
            write_card(trainer)
    finally:
        if world.is_main:
            draw_curve(run)
            write_table(run)
            _report_skipped(trainer.data, reporter)


def _report_skipped(data: Data, reporter: Reporter) -> None:
    """Name the files that were left out; unreadable ones of a stream turn up only when they are used."""
    if data.skipped:
        named = "\n  ".join(data.skipped[:_NAMED])
        more = f"\n  and {len(data.skipped) - _NAMED} more" if len(data.skipped) > _NAMED else ""
        reporter.note(f"{left_out(len(data.skipped))}:\n  {named}{more}")


class SilentReporter:
    """Says nothing: for all processes but the first, and for callers from Python."""

    def start(self, title: str, about: Sequence[str], total: int, done: int, steps_per_epoch: int) -> None:
        pass

    def step(self, step: int, loss: float, images_per_second: float) -> None:
        pass

    def validation(self, step: int, scores: dict[str, float], best: bool) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def _check_free(run: RunFolder, config: RunConfig, resume: bool, overwrite: bool) -> Changes:
    """Refuse to overwrite another run unasked, and to go on as another; what a resumed run does otherwise."""
    if resume:
        return _check_same(run, config)
    if not run.path.exists():
        return {}
    if run.path.is_dir() and all(path == run.lock for path in run.path.iterdir()):
        return {}
    if not run.config.exists():
        raise OutputExists(
            f"{run.path} is there already and is not a run folder.", "Choose another --output."
        )
    if not overwrite:
        state = "a finished run" if run.is_finished else "an unfinished run"
        raise OutputExists(
            f"{run.path} holds {state} already.",
            f"Continue it with --resume {quoted(run.path)}, replace it with --overwrite, "
            "or choose another --output.",
        )
    return {}


def _check_same(run: RunFolder, config: RunConfig) -> Changes:
    """Refuse to resume a run with another network, or on a task whose scores do not compare with its own.

    Returns:
        What else the config changes, by key: before and now.
    """
    if not run.config.is_file():
        return {}
    if not list_checkpoints(run.checkpoints) and _was_saved(run):
        raise TrainingError(
            f"The checkpoints of {run.path} are gone, so it cannot go on.",
            f"Train anew from its weights: denoise {config.command} --set init={quoted(run.path)} "
            "--output FOLDER ..., or replace it with --overwrite instead of --resume.",
        )
    begun = _as_begun(load_config(type(config), str(run.config), [], {}), run)
    before, now = (_flat(each.model_dump(mode="json")) for each in (begun, config))
    before["validate_noise"], now["validate_noise"] = begun.scoring_noise, config.scoring_noise
    changed = {
        key: (before.get(key), value)
        for key, value in now.items()
        if key not in _ELSEWHERE and before.get(key) != value
    }
    for key, (old, new) in changed.items():
        if key in _FIXED:
            raise ConfigError(
                f"The run {run.path} has {key} {old}, so it cannot go on with {key} {new}.",
                f"Leave that out, or train anew from its weights: denoise {config.command} "
                f"--set init={quoted(run.path)} --output FOLDER ...",
            )
    return changed


def _as_begun(config: C, run: RunFolder) -> C:
    """The config, with nothing kept for testing where an earlier version began the run and kept nothing."""
    kept = load_config(type(config), str(run.config), [], {}).data.model_fields_set
    if "test_share" in kept | config.data.model_fields_set:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"test_share": 0.0})})


def _was_saved(run: RunFolder) -> bool:
    """Whether a run has had a checkpoint; between the first validation and it, a crash may have come."""
    names = [row["event"] for row in run.events()]
    return bool({"done", "interrupted"} & set(names)) or names.count("validation") > 1


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested sections by dotted key; a path without the slash at its end."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = str(Path(value)) if isinstance(value, str) and value else value
    return flat


def _take(run: RunFolder, config: RunConfig, measured: str, *, keep: bool) -> None:
    """Make the folder this run's: config and `measured` noise in it, nothing of another unless to `keep`."""
    run.path.mkdir(parents=True, exist_ok=True)
    remove_leftovers(run.path)
    if not keep:
        # The config goes last and in one step, so that this stays a run folder whatever happens.
        for path in (
            *run.checkpoints.glob("step-*.pt"),
            run.metrics,
            run.last,
            run.best,
            run.curve,
            run.table,
            run.noise,
            run.card,
            *run.samples.glob("step-*.png"),
            *run.tensorboard.glob("events.out.tfevents.*"),
        ):
            path.unlink(missing_ok=True)
    if measured:
        write_atomic(run.noise, measured.encode())
    text = yaml.safe_dump(config.model_dump(mode="json", exclude={"out"}), sort_keys=False)
    write_atomic(run.config, text.encode())
