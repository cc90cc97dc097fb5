"""The `denoise` program. Commands import what they need when they run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from denoise_cli.cli import classify, compare, denoise_image, export, models, runs, test, train
from denoise_cli.cli.console import console, exit_code_of
from denoise_cli.cli.front_door import as_written_today, with_command
from denoise_cli.cli.signals import interruptible
from denoise_cli.errors import DenoiseError


class _Commands(TyperGroup):
    """Finds the command that the arguments mean."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            args = with_command(args, self.commands)
        except DenoiseError as error:
            if ctx.resilient_parsing:  # a shell asks how to complete
                return []
            console.error(str(error), error.hint)
            raise typer.Exit(error.exit_code) from error
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="denoise",
    cls=_Commands,
    help="Remove noise from images with neural networks; train, test and compare such networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": as_written_today},
)


def _add(name: str, function: Callable[..., Any]) -> None:
    """Register a command whose errors become a message and an exit code."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with interruptible(), console.noting_warnings():
                function(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            code = exit_code_of(error, console)
            if code is None:
                raise
            raise typer.Exit(code) from error

    app.command(name)(guarded)


_add("denoise-image", denoise_image.denoise_image)
_add("train", train.train)
_add("test", test.test)
_add("classify", classify.classify)
_add("compare", compare.compare)
_add("export", export.export)
_add("models", models.models)
_add("runs", runs.runs)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.show(f"denoise {version('denoise-cli')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Options before the command; the help text is the app's."""
