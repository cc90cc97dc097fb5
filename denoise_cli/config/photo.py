"""Config of `denoise denoise-image`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from denoise_cli.config.base import Section
from denoise_cli.models.registry import denoiser_info


class DenoiseConfig(Section):
    """Config of `denoise denoise-image`."""

    model: str | None = None
    """Architecture whose bundled weights clean the photo (default: the best bundled)."""
    batch_norm: bool = True
    """Take the weights with or without batch normalisation."""
    weights: str | None = None
    """A weight file or run folder instead of the bundled weights."""
    output: Path | None = None
    """Output file or folder (default NAME.denoised.EXT beside the input)."""
    overwrite: bool = False
    """Replace an existing output."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    tile: str = Field("auto", pattern=r"auto|exact|\d+")
    """auto, exact (no difference to the whole photo), or the tile's side in pixels."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        return None if value is None else denoiser_info(value).name
