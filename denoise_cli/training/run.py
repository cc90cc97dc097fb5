"""From a config to a finished run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from denoise_cli.config import RunConfig, load_config
from denoise_cli.data.load import is_paired_dataset
from denoise_cli.devices import resolve_device
from denoise_cli.distributed import join, launched_device, was_restarted
from denoise_cli.errors import ConfigError, OutputExists, left_out, quoted
from denoise_cli.files import remove_leftovers, write_atomic
from denoise_cli.noise.spec import REAL
from denoise_cli.runs import RunFolder
from denoise_cli.training.build import build_model
from denoise_cli.training.curve import draw_curve
from denoise_cli.training.data import Data, load_data, memory_share, with_classes
from denoise_cli.training.trainer import Reporter, Trainer

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Result:
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
) -> Result | None:
    """Train as the config says and leave a run folder.

    Under `torchrun`, every process calls this; only rank 0 writes, reports and gets a result.

    Raises:
        OutputExists: The run folder is there and neither `resume` nor `overwrite` is given.
        TrainingError: The loss is not finite, or the state cannot be saved.
        Interrupted: By a signal, after saving.
    """
    if (
        "noise" not in config.model_fields_set
        and not config.data.mix
        and is_paired_dataset(config.data.dataset)
    ):
        config = config.model_copy(update={"noise": REAL.name})
    run = RunFolder(config.folder)
    device = resolve_device(launched_device(config.device))
    with join(device) as world:
        if world.is_main:
            _check_free(run, config, resume or was_restarted(), overwrite)
        memory = min(world.gather(memory_share()))
        with world.main_first():
            data = load_data(config, memory)
        architecture, model = build_model(config, data)
        if architecture.guidance == "oracle":
            data = with_classes(data, architecture.classes)
        shown = reporter if world.is_main else _Silent()
        trainer = Trainer(config, run, data, architecture, model, device, world, shown)
        # Delete the old run only once the new one has been validated.
        if world.is_main:
            _take(run, config, keep=resume or was_restarted())
        world.wait()
        try:
            trainer.run()
        finally:
            if world.is_main:
                draw_curve(run)
                _report_skipped(data, reporter)
    if not world.is_main:
        return None
    weights = run.best if run.best.is_file() else run.last
    return Result(run.path, weights, trainer.step, trainer.seconds)


def _report_skipped(data: Data, reporter: Reporter) -> None:
    """Name the files that were left out; unreadable ones of a stream turn up only when they are used."""
    if data.skipped:
        named = "\n  ".join(data.skipped[:_NAMED])
        more = f"\n  and {len(data.skipped) - _NAMED} more" if len(data.skipped) > _NAMED else ""
        reporter.note(f"{left_out(len(data.skipped))}:\n  {named}{more}")


class _Silent:
    """The reporter of all processes but the first."""

    def start(self, title: str, total: int, done: int, steps_per_epoch: int) -> None:
        pass

    def step(self, step: int, loss: float, images_per_second: float) -> None:
        pass

    def validation(self, step: int, scores: dict[str, float], best: bool) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def _check_free(run: RunFolder, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Refuse to overwrite another run unasked."""
    if resume:
        _check_same(run, config)
        return
    if not run.path.exists():
        return
    if run.path.is_dir() and not any(run.path.iterdir()):
        return
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


def _check_same(run: RunFolder, config: RunConfig) -> None:
    """Refuse to resume a run with another network."""
    if not run.config.is_file():
        return
    stored = load_config(type(config), str(run.config), [], {})
    for key in ("model", "batch_norm", "guidance"):
        begun, asked = getattr(stored, key, None), getattr(config, key, None)
        if begun != asked:
            raise ConfigError(
                f"The run {run.path} has {key} {begun}, so it cannot go on with {key} {asked}.",
                f"Leave that out, or train anew: denoise {config.command} --output FOLDER ...",
            )


def _take(run: RunFolder, config: RunConfig, *, keep: bool) -> None:
    """Make the folder this run's: its config written, nothing of another run left unless to `keep`."""
    run.path.mkdir(parents=True, exist_ok=True)
    remove_leftovers(run.path)
    if not keep:
        # The config goes last and in one step, so that this stays a run folder whatever happens.
        for path in (*run.checkpoints.glob("step-*.pt"), run.metrics, run.last, run.best, run.curve):
            path.unlink(missing_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json", exclude={"out"}), sort_keys=False)
    write_atomic(run.config, text.encode())
