"""Options that several commands share; their help is the config's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from denoise_cli.config import TestConfig, TrainConfig

_DATA = "Images"
_RUN = "Run"

Config = Annotated[
    str | None, typer.Option("--config", help="YAML file, or name of a shipped config.", rich_help_panel=_RUN)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Set any config key: --set optim.ema=0.999 (repeatable).", rich_help_panel=_RUN
    ),
]
Dataset = Annotated[str | None, typer.Option(help=TrainConfig.help_of("data.dataset"), rich_help_panel=_DATA)]
DataDir = Annotated[
    Path | None, typer.Option(help=TrainConfig.help_of("data.data_dir"), rich_help_panel=_DATA)
]
Limit = Annotated[int | None, typer.Option(help=TestConfig.help_of("data.limit"), rich_help_panel=_DATA)]
Noise = Annotated[str | None, typer.Option(help=TrainConfig.help_of("noise"), rich_help_panel=_DATA)]
BatchNorm = Annotated[
    bool | None,
    typer.Option("--batchnorm/--no-batchnorm", help=TrainConfig.help_of("batch_norm"), show_default=False),
]
Epochs = Annotated[float | None, typer.Option(help=TrainConfig.help_of("epochs"))]
Steps = Annotated[int | None, typer.Option(help=TrainConfig.help_of("steps"))]
BatchSize = Annotated[int | None, typer.Option(help=TrainConfig.help_of("batch_size"))]
LearningRate = Annotated[float | None, typer.Option("--lr", help=TrainConfig.help_of("optim.lr"))]
Seed = Annotated[int | None, typer.Option(help=TrainConfig.help_of("seed"), rich_help_panel=_RUN)]
Device = Annotated[str | None, typer.Option(help=TrainConfig.help_of("device"), rich_help_panel=_RUN)]
Compile = Annotated[str | None, typer.Option(help=TrainConfig.help_of("compile"), rich_help_panel=_RUN)]
RunOut = Annotated[Path | None, typer.Option("--out", help=TrainConfig.help_of("out"), rich_help_panel=_RUN)]
Resume = Annotated[Path | None, typer.Option(help="Continue the run in this folder.", rich_help_panel=_RUN)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
Weights = Annotated[str | None, typer.Option(help=TestConfig.help_of("weights"))]


def as_folder(output: str | None) -> Path | None:
    """An output's path; the folder is made where the name ends like one's (`new/`), which a path forgets."""
    if output is None:
        return None
    if output.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        Path(output).mkdir(parents=True, exist_ok=True)
    return Path(output)


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
