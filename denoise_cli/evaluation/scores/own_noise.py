"""The noise that a data set brings along, where a config asks for none."""

from __future__ import annotations

from typing import TypeVar

from denoise_cli.config import CompareConfig, TestConfig
from denoise_cli.config.evaluation import PLAIN_NOISE
from denoise_cli.data.load import is_paired_dataset
from denoise_cli.errors import DataError
from denoise_cli.noise.spec import REAL

Config = TypeVar("Config", TestConfig, CompareConfig)


def with_own_noise(config: Config) -> Config:
    """The config with the noise `real` where its data set holds pairs and no noise was asked for.

    Raises:
        DataError: Guidance, which is compared under added noise, is asked for on pairs.
    """
    if "noise" in config.model_fields_set or not is_paired_dataset(config.data.dataset):
        return config
    if isinstance(config, TestConfig):
        return config.model_copy(update={"noise": REAL.name})
    if config.guidance:
        raise DataError(
            f"{config.data.dataset} holds pairs, but guidance is compared under added noise.", PLAIN_NOISE
        )
    return config.model_copy(update={"noise": (REAL.name,)})
