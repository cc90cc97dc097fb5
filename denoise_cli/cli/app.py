"""The `denoise` program. Commands import what they need when they run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from denoise_cli.cli.console import console, exit_code_of
from denoise_cli.cli.front_door import as_written_today, with_command
from denoise_cli.cli.signals import interruptible
from denoise_cli.errors import DenoiseError

# Where each command is; a module is imported when its command runs or its help is shown.
COMMANDS = {
    "denoise-image": "denoise_image",
    "serve": "serve",
    "train": "train",
    "test": "test",
    "classify": "classify",
    "compare": "compare",
    "export": "export",
    "models": "models",
    "runs": "runs",
}


class _Commands(TyperGroup):
    """Finds the command that the arguments mean, and imports no other."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            args = with_command(args, COMMANDS)
        except DenoiseError as error:
            if ctx.resilient_parsing:  # a shell asks how to complete
                return []
            console.error(str(error), error.hint)
            raise typer.Exit(error.exit_code) from error
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            alone = typer.Typer(
                pretty_exceptions_enable=False, add_completion=False, context_settings=_SETTINGS
            )
            alone.command(cmd_name)(_guarded(command_function(cmd_name)))
            self.commands[cmd_name] = typer.main.get_command(alone)
        return self.commands[cmd_name]


def command_function(name: str) -> Callable[..., Any]:
    """The function of a command."""
    module = COMMANDS[name]
    function: Callable[..., Any] = getattr(import_module(f"denoise_cli.cli.{module}"), module)
    return function


def _guarded(function: Callable[..., Any]) -> Callable[..., None]:
    """The function with its errors made a message and an exit code."""

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

    return guarded


_SETTINGS = {"help_option_names": ["-h", "--help"], "token_normalize_func": as_written_today}
app = typer.Typer(
    name="denoise",
    cls=_Commands,
    help="Remove noise from images with neural networks; train, test and compare such networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


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
