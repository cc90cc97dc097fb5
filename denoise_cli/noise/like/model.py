"""Noise that was measured, as a YAML file; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from denoise_cli.errors import DataError

LAGS = 8
"""Correlations are known for distances of 0 to 7 pixels along each axis."""
_HEAD = "# Noise measured in photographs; give it as `--noise like:THIS_FILE`.\n"
_HINT = "Measure it anew from a folder of your own noisy photos: --noise like:FOLDER"

_Of255 = Annotated[float, Field(ge=0, le=255, allow_inf_nan=False)]
_Row = Annotated[
    tuple[Annotated[float, Field(ge=-1.001, le=1.001)], ...], Field(min_length=LAGS, max_length=LAGS)
]
Correlation = Annotated[tuple[_Row, ...], Field(min_length=LAGS, max_length=LAGS)]
"""Rows by vertical, columns by horizontal distance in pixels; 1 at no distance."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PhotoNoise(_Part):
    """Standard deviations (of 255) in one photo at some brightnesses (of 255), from dark to bright."""

    levels: tuple[_Of255, ...] = Field(min_length=1, max_length=16)
    luma: tuple[_Of255, ...]
    """Of the brightness (Rec. 601)."""
    chroma: tuple[_Of255, ...]
    """Of what is left of the channels without the brightness, root mean square."""
    jpeg: int | None = Field(None, ge=1, le=100)
    """Quality of the file on libjpeg's scale; what was measured is the noise that it left."""

    @model_validator(mode="after")
    def _fits(self) -> PhotoNoise:
        if not len(self.levels) == len(self.luma) == len(self.chroma):
            raise ValueError("levels, luma and chroma must be equally many")
        if any(a >= b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("levels must rise")
        return self


class MeasuredNoise(_Part):
    """The noise of some photos: how strong in each, how correlated in all."""

    format: Literal["denoise-noise-1"] = "denoise-noise-1"
    photos: tuple[PhotoNoise, ...] = Field(min_length=1, max_length=1000)
    luma: Correlation
    chroma: Correlation
    colours: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    """Covariance of the channels of the chroma noise, with a mean variance of 1."""


def read_noise(path: Path) -> MeasuredNoise:
    """Read a file of measured noise.

    Raises:
        DataError: It is not one.
        ConfigError: It cannot be read, or is no YAML file.
    """
    from denoise_cli.config.yaml import read_yaml

    try:
        return MeasuredNoise.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path} is no file of measured noise ({where}: {first['msg']}).", _HINT) from error


def to_yaml(noise: MeasuredNoise) -> str:
    """The noise as `read_noise` reads it."""
    values = noise.model_dump(mode="json", exclude_none=True)
    return _HEAD + yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=110)
