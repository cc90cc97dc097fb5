"""Config of `denoise denoise-image`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from denoise_cli.config.base import Section
from denoise_cli.errors import ConfigError
from denoise_cli.models.registry import denoiser_info


class DenoiseConfig(Section):
    """Config of `denoise denoise-image`."""

    model: str | None = None
    """Architecture whose bundled weights clean the photo (default: the best bundled)."""
    batch_norm: bool | None = None
    """Weights with or without batch normalisation (default: of the bundled ones those with it)."""
    weights: str | None = None
    """A weight file, run folder or hf:OWNER/NAME instead of the bundled weights, or a network of another
    program: FILE.onnx, published weights, package.module:factory."""
    sigma: float | None = Field(None, ge=0, le=255)
    """Noise level of 255 for a network of another program that takes one (default: as measured)."""
    output: Path | None = None
    """Output file, or folder for several photos (default NAME.denoised.EXT beside the input)."""
    overwrite: bool = False
    """Replace existing results."""
    skip_existing: bool = False
    """Leave out photos whose result exists, to go on where a run was stopped."""
    recursive: bool = False
    """Also take the photos in sub-folders; they are mirrored in the output folder."""
    shard: str | None = None
    """Do only share I of N, counted from 0 (default: from SLURM, Kubernetes or torchrun)."""
    format: Literal["png", "jpeg", "tiff", "webp", "avif", "heic", "bmp"] | None = None
    """png, jpeg, tiff, webp, avif, heic or bmp (default: that of the photo)."""
    quality: int | None = Field(None, ge=1, le=100)
    """Quality of lossy formats; 100 is lossless in WebP, AVIF and HEIC (default 95, lossless if it was)."""
    bits: Literal[8, 10, 12, 16, 32] | None = None
    """Bits per colour value; 32 is float (default: that of the photo)."""
    strength: float = Field(1.0, ge=0, le=1)
    """Share of the noise found that is removed."""
    luma: float = Field(1.0, ge=0, le=1)
    """How much of the brightness noise goes; less keeps fine detail and grain."""
    chroma: float = Field(1.0, ge=0, le=1)
    """How much of the colour noise goes."""
    tile: str = "auto"
    """auto, exact (no difference to the whole photo), or the tile's side in pixels."""
    max_pixels: int | None = Field(None, ge=1)
    """Largest photo to read, in megapixels (default 1000; less for files that need much memory)."""
    device: str = "auto"
    """auto, cpu, gpu, cuda, cuda:N or mps; directml, coreml or openvino where ONNX Runtime has them."""
    runtime: Literal["auto", "onnx", "int8", "openvino", "torch"] = "auto"
    """onnx (ONNX Runtime), int8 (the same, partly in 8 bits: faster on CPUs), openvino, torch, or auto: torch
    on a GPU, else openvino if installed, or onnx."""

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str | None) -> str | None:
        return None if value is None else denoiser_info(value).name

    @field_validator("tile", mode="before")
    @classmethod
    def _known_tile(cls, value: object) -> str:
        text = str(value).strip().lower()
        if text in {"auto", "exact"} or (text.isascii() and text.isdecimal()):
            return text
        raise ConfigError(f"tile must be auto, exact or a whole number of pixels, not {value!r}.")

    @model_validator(mode="before")
    @classmethod
    def _no_detail(cls, values: Any) -> Any:
        """Say what has become of `detail`, an option of versions before this one."""
        given = values.get("detail") if isinstance(values, dict) else None
        if given is None:
            return values
        luma = f"{1 - given:g}" if isinstance(given, int | float) and 0 <= given <= 1 else "1 - DETAIL"
        raise ConfigError(
            f"`detail` is gone, because detail {given} is luma {luma}: "
            f"give --luma {luma}, or `luma: {luma}` in a config."
        )
