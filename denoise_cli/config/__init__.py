"""Typed, frozen configs, one class per command.

A value comes from: flag > `--set` > YAML file > default.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoise_cli.config.base import Section
    from denoise_cli.config.evaluation import CompareConfig, TestConfig, TestDataConfig
    from denoise_cli.config.load import load_config, shipped_configs
    from denoise_cli.config.photo import DenoiseConfig
    from denoise_cli.config.training import (
        ClassifyConfig,
        DataConfig,
        MixItem,
        OptimConfig,
        RunConfig,
        TrainConfig,
    )

_HOMES = {
    "base": ("Section",),
    "evaluation": ("CompareConfig", "TestConfig", "TestDataConfig"),
    "load": ("load_config", "shipped_configs"),
    "photo": ("DenoiseConfig",),
    "training": ("ClassifyConfig", "DataConfig", "MixItem", "OptimConfig", "RunConfig", "TrainConfig"),
}
__all__ = [
    "ClassifyConfig",
    "CompareConfig",
    "DataConfig",
    "DenoiseConfig",
    "MixItem",
    "OptimConfig",
    "RunConfig",
    "Section",
    "TestConfig",
    "TestDataConfig",
    "TrainConfig",
    "load_config",
    "shipped_configs",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a class costs the start of a command 20 ms and more."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
