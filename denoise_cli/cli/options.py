"""Build a command's options from its config; options that belong to no config."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denoise_cli.cli import complete
from denoise_cli.cli.complete import completion_of
from denoise_cli.errors import UnknownName, UsageError
from denoise_cli.models.registry import letters_of

if TYPE_CHECKING:
    from denoise_cli.config import Section

IMAGES, RESULT, RUN = "Images", "Result", "Run"
_OUTPUT = ("--output", "-o")
TABLE_OR_JSON = ("table", "json")


def option(
    config: type[Section], key: str, *names: str, panel: str | None = None, metavar: str | None = None
) -> Any:
    """An option with the help, range and default of the config's field.

    Args:
        key: The field, such as `optim.lr`; `out` and `output` become `-o/--output`.
        names: How it is written, where not as the argument is called; those of a switch.
        panel: Heading under which help lists it.
        metavar: What help calls the value, where not after its type.
    """
    from denoise_cli.config.describe import metavar_of

    field = config.field_of(key)
    if not names and key in {"out", "output"}:
        names = _OUTPUT
    switch = field.annotation is bool or "/" in "".join(names)
    return typer.Option(
        *names,
        help=_help(config, key),
        metavar=None if switch else metavar or metavar_of(field),
        rich_help_panel=panel,
        show_default=False,
        autocompletion=completion_of(config.__name__, key),
    )


def _help(config: type[Section], key: str) -> str:
    """The field's help; of a model that weights may stand for, with that."""
    text = config.help_of(key)
    both = key == "model" and "weights" in config.model_fields
    return f"{text.rstrip('.')}; or what --weights takes." if both else text


def argument(config: type[Section], key: str) -> Any:
    """An argument with the help of the config's field."""
    return typer.Argument(
        help=_help(config, key),
        show_default=False,
        autocompletion=completion_of(config.__name__, key),
    )


Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="NAME",
        help="YAML file, or name of a shipped config.",
        rich_help_panel=RUN,
        autocompletion=complete.configs,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any config key: --set optim.ema=0.999 (repeatable).",
        rich_help_panel=RUN,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Continue the run in this folder.",
        rich_help_panel=RUN,
        autocompletion=complete.runs,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="table|json", help="How to print the results (default: table)."),
]
Named = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="The same as MODEL.")]


def one_model(model: str | None, named: str | None, for_run: str = "") -> str | None:
    """The one model that MODEL and `--model` name.

    Args:
        model, named: What was given.
        for_run: What to type for a run, `{}` for its name, where a run is no answer.

    Raises:
        UsageError: They name two, or one is a run that must not be.
    """
    if model is not None and named is not None and letters_of(model) != letters_of(named):
        raise UsageError(f"Two models are given: {model} and --model {named}.", "Keep one of them.")
    chosen = named if model is None else model
    if for_run and chosen is not None and Path(chosen, "config.yaml").is_file():
        raise UsageError(f"{chosen} is a run, not a model.", for_run.format(quote(chosen)))
    return chosen


def model_or_weights(model: str | None, weights: str | None) -> dict[str, str | None]:
    """The flags `model` and `weights`, where a MODEL that is no model's name may name weights.

    Raises:
        UsageError: Both name weights.
    """
    from denoise_cli.weights.store import names_weights

    if model is None or not names_weights(model):
        return {"model": model, "weights": weights}
    if weights is not None:
        raise UsageError(f"Weights are named twice: {model} and --weights {weights}.", "Keep one of them.")
    return {"model": None, "weights": model}


def chosen_format(given: str | None, json: bool, known: Sequence[str] = TABLE_OR_JSON) -> str:
    """How results are printed; `--json` is short for `--format json`.

    Raises:
        UsageError: There is no such format, or both options are given and differ.
    """
    name = (given or ("json" if json else "table")).strip().lower()
    name = {"md": "markdown", "htm": "html"}.get(name, name)
    if name not in known:
        raise UnknownName("format", name, known)
    if json and name != "json":
        raise UsageError(f"--json and --format {given} contradict each other.", "Keep one of them.")
    return name


def check_effective(given: Mapping[str, object], without: str, hint: str) -> None:
    """Refuse options that do nothing in this call; raises `UsageError`.

    Args:
        given: The options' values by name; None and False were not given.
        without: When they do nothing, such as `without --train`.
    """
    idle = [name for name, value in given.items() if value is not None and value is not False]
    if idle:
        have = "has" if len(idle) == 1 else "have"
        raise UsageError(f"{', '.join(idle)} {have} no effect {without}.", hint)


def as_path(name: str, text: str | None) -> Path | None:
    """The path of an option that no config has; raises `UsageError` where it is empty.

    typer's own paths would take an empty one for the present folder.
    """
    if text == "":
        raise UsageError(f"{name} is empty.", "Is a variable of the shell not set?")
    return None if text is None else Path(text)


@contextmanager
def output_path(output: str | None) -> Iterator[Path | None]:
    """Turn `--output` into a path while a command runs.

    What ends with a separator, which `Path` drops, is a folder: it is made, and goes again where nothing
    came into it.

    Raises:
        UsageError: It is empty.
    """
    path = as_path("--output", output)
    made: list[Path] = []
    if path is not None and output is not None and output.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        with suppress(OSError):  # It holds something, or has gone.
            for folder in made:
                folder.rmdir()
