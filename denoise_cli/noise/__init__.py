"""Noise models. `parse_noise` imports no torch; `denoise_cli.noise.apply` adds the noise."""

from __future__ import annotations

from denoise_cli.noise.spec import BASIC, BLIND, INTENSE, PRESETS, NoiseSpec, is_mixture, parse_noise

__all__ = ["BASIC", "BLIND", "INTENSE", "PRESETS", "NoiseSpec", "is_mixture", "parse_noise"]
