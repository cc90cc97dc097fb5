"""Typed, frozen configs, one class per command.

A value comes from: flag > `--set` > YAML file > default.
"""

from __future__ import annotations

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
