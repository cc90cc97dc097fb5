"""`denoise compare`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import options
from denoise_cli.cli.console import console
from denoise_cli.cli.options import IMAGES, RESULT, RUN
from denoise_cli.cli.train import run
from denoise_cli.config import CompareConfig, load_config
from denoise_cli.errors import TrainingError, UsageError, counted
from denoise_cli.files import check_writable, write_atomic

if TYPE_CHECKING:
    from denoise_cli.distributed import World
    from denoise_cli.evaluation.comparison.results import Results
    from denoise_cli.evaluation.guidance.results import GuidanceResults
    from denoise_cli.evaluation.render import TextFormat

_option = partial(options.option, CompareConfig)


class TableFormat(StrEnum):
    """Formats of the printed results."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"
    html = "html"


_TEXTS: dict[TableFormat, TextFormat] = {
    TableFormat.markdown: "markdown",
    TableFormat.json: "json",
    TableFormat.csv: "csv",
    TableFormat.html: "html",
}


def compare(
    networks: Annotated[list[str] | None, options.argument(CompareConfig, "networks")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="The study's 20 cells: every model, with and without batch norm, both noises."
        ),
    ] = False,
    models: Annotated[str | None, _option("models")] = None,
    batchnorm: Annotated[
        bool | None,
        typer.Option(
            "--batchnorm/--no-batchnorm",
            help="Only with, or only without, batch norm (default: with; --all takes both).",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[str | None, _option("noise")] = None,
    weights: Annotated[list[str] | None, _option("weights", metavar="FILE|RUN|NAME")] = None,
    train: Annotated[bool, _option("train", "--train")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --train: print the plan (cells, hours, disk space) and stop."),
    ] = False,
    seeds: Annotated[str | None, _option("train_seeds")] = None,
    epochs: Annotated[str | None, _option("epochs")] = None,
    steps: Annotated[str | None, _option("steps")] = None,
    dataset: Annotated[str | None, _option("data.dataset", panel=IMAGES)] = None,
    data_dir: Annotated[str | None, _option("data.data_dir", panel=IMAGES)] = None,
    limit: Annotated[str | None, _option("data.limit", panel=IMAGES)] = None,
    protocol: Annotated[str | None, _option("protocol")] = None,
    baselines: Annotated[bool, _option("baselines", "--baselines")] = False,
    benchmark: Annotated[str | None, _option("benchmark")] = None,
    guidance: Annotated[str | None, _option("guidance")] = None,
    injection: Annotated[str | None, _option("injection")] = None,
    seed: Annotated[str | None, _option("seed", panel=RUN)] = None,
    device: Annotated[str | None, _option("device", panel=RUN)] = None,
    config: options.Config = None,
    set: options.Set = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Draw results again, of a JSON file or a folder that --output wrote; scores nothing.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(TableFormat),
            help="How to print the results (default: table).",
            rich_help_panel=RESULT,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=RESULT)
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace what is there already.", rich_help_panel=RESULT),
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a .json, .md, .csv or .html file, or a folder with all of them and every picture.",
            rich_help_panel=RESULT,
        ),
    ] = None,
) -> None:
    """Compare denoisers: a grid of models, batch norm and noises, or networks side by side.

    Examples: denoise compare --all; denoise compare photo_unet runs/mine --dataset FOLDER
    """
    kind = TableFormat(options.chosen_format(format, json, list(TableFormat)))
    source = options.as_path("--from", from_)
    flags: dict[str, Any] = {
        "networks": networks or None,
        "models": models,
        "batch_norm": None if batchnorm is None else [batchnorm],
        "noise": noise,
        "weights": weights or None,
        "train": train or None,
        "train_seeds": seeds,
        "epochs": epochs,
        "steps": steps,
        "data.dataset": dataset,
        "data.data_dir": data_dir,
        "data.limit": limit,
        "protocol": protocol,
        "baselines": baselines or None,
        "benchmark": benchmark,
        "guidance": guidance,
        "injection": injection,
        "seed": seed,
        "device": device,
    }
    with options.output_path(output) as target:
        if target is not None and _is_file(target):
            _check_ending(target, kind)
        if source is not None:
            from denoise_cli.evaluation.comparison.results import read_results
            from denoise_cli.evaluation.guidance.results import read_guidance
            from denoise_cli.evaluation.report.stored import RESULTS_FILE

            given = {f"--{key.rpartition('.')[2].replace('_', '-')}": value for key, value in flags.items()}
            options.check_effective(
                {"NETWORKS": given.pop("--networks"), **given},
                "with --from",
                "Leave it out, or leave out --from to score anew.",
            )
            file = source / RESULTS_FILE if source.is_dir() else source
            stored = read_guidance(file) or read_results(file)
            _check_output(target)
            _check_free(target, stored.request, overwrite)
            deliver(stored, kind, target)
            return
        if networks:
            options.check_effective(
                {"--all": everything}, "beside named networks", "Leave it out, or name no networks."
            )
        if everything and batchnorm is None:
            flags["batch_norm"] = [True, False]
        assignments = set or []
        named = dataset or config or any(text.startswith("data.dataset=") for text in assignments)
        if everything and not named:
            assignments = [*_study_assignments(options.as_path("--data-dir", data_dir), train), *assignments]
        settings = load_config(CompareConfig, config, assignments, flags)
        if not settings.train:
            trained = {"--seeds": seeds, "--epochs": epochs, "--steps": steps, "--dry-run": dry_run}
            options.check_effective(trained, "without --train", "Add --train, or leave it out.")
        if not settings.guidance:
            options.check_effective(
                {"--injection": injection}, "without --guidance", "Add --guidance, or leave it out."
            )
        if settings.guidance and (
            kind is TableFormat.html or (target and target.suffix.lower() in {".html", ".htm"})
        ):
            raise UsageError("A comparison of guidance has no HTML report.", "Use --format markdown.")

        from denoise_cli.evaluation.scores.own_noise import with_own_noise

        settings = with_own_noise(settings)
        request = settings.model_dump(mode="json", exclude={"device"})
        _check_output(target)
        _check_free(target, request, overwrite)
        results, failed = _train_and_score(settings, only_plan=dry_run)
        if results is not None:
            _check_free(target, request, overwrite)  # Scoring takes long; the name may be taken by now.
            deliver(results.model_copy(update={"request": request}), kind, target)
        if failed:
            raise TrainingError(
                f"{counted(len(failed), 'cell')} could not be trained.",
                "Give the same command again to go on.",
            )


def _train_and_score(
    settings: CompareConfig, *, only_plan: bool
) -> tuple[Results | GuidanceResults | None, Mapping[Any, str]]:
    """The results, on rank 0, and why the training of cells failed."""
    from denoise_cli.devices import resolve_device
    from denoise_cli.distributed import join, launched_device
    from denoise_cli.evaluation.comparison.run import run_comparison
    from denoise_cli.evaluation.guidance.run import run_guidance

    failed: Mapping[Any, str] = {}
    with join(resolve_device(launched_device(settings.device))) as world:
        if settings.train:
            from denoise_cli.training.plan_grid import training_folder

            _say_plan(settings, world)
            if only_plan:
                return None, failed
            failed = _train_missing(settings, world)
            settings = settings.model_copy(update={"weights": training_folder(settings)})
        score_all = run_guidance if settings.guidance else run_comparison
        return score_all(settings, console.progress, failed), failed


def deliver(results: Results | GuidanceResults, kind: TableFormat, output: Path | None) -> None:
    """Print the results, and write them where the user wants them."""
    from denoise_cli.cli.tables import show_results
    from denoise_cli.evaluation.render import SUFFIXES, render, write_folder

    if output is not None and _is_file(output):
        text = render(results, SUFFIXES[output.suffix.lower()])
        write_atomic(output, text.encode())
    elif output is not None:
        write_folder(results, output)
    if kind is TableFormat.table:
        show_results(results)
    elif output is None:
        console.write(render(results, _TEXTS[kind]))
    if output is not None:
        console.note(f"Written: {output}")


def _say_plan(settings: CompareConfig, world: World) -> None:
    """Print what will be trained, how long that takes and what space it needs."""
    from denoise_cli.training.plan_report import describe_plan

    if world.is_main:
        for line in describe_plan(settings):
            console.note(line)


def _train_missing(settings: CompareConfig, world: World) -> Mapping[Any, str]:
    """Train what has no finished run; returns why runs failed."""
    from denoise_cli.training.plan_grid import train_grid
    from denoise_cli.training.plan_guidance import train_guided

    train = train_guided if settings.guidance else train_grid
    failed = train(settings, run, console.note if world.is_main else _say_nothing)
    world.wait()  # Wait until rank 0 has written the last run.
    return failed


def _study_assignments(data_dir: Path | None, train: bool) -> list[str]:
    """The study's data and protocol as `--set` would give them."""
    from denoise_cli.evaluation.comparison.study import study_defaults

    defaults, note = study_defaults(data_dir, train=train)
    if note:
        console.note(note)
    return [f"{key}={value}" for key, value in defaults.items()]


def _say_nothing(text: str) -> None:
    """Discards the notes of all processes but rank 0."""


def _is_file(output: Path) -> bool:
    """Whether a file is written there, and not a folder."""
    return bool(output.suffix) and not output.is_dir()


def _check_output(output: Path | None) -> None:
    """Refuse an output that cannot be written, before anything is scored."""
    if output is not None:
        check_writable(output.parent if _is_file(output) else output)


def _check_free(output: Path | None, request: Mapping[str, Any], overwrite: bool) -> None:
    """Refuse to replace results that another command made."""
    from denoise_cli.evaluation.report.replace import check_replaceable
    from denoise_cli.evaluation.report.stored import RESULTS_FILE

    if output is None:
        return
    if _is_file(output):
        check_replaceable(output, request, overwrite)
    else:
        check_replaceable(output / RESULTS_FILE, request, overwrite)


def _check_ending(output: Path, kind: TableFormat) -> None:
    from denoise_cli.evaluation.render import SUFFIXES

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{output.name} has no ending that says what to write.",
            f"Use {', '.join(SUFFIXES)}, or a folder's name.",
        )
    if kind is not TableFormat.table and SUFFIXES[output.suffix.lower()] != kind.value:
        raise UsageError(
            f"--format {kind.value} does not fit the file name {output.name}.", "Leave one of them out."
        )
