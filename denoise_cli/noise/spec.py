"""Names of noises: `basic`, `intense`, `blind`, `gaussian:S`, `awgn:S`; imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from denoise_cli.errors import UnknownName, UsageError

_NUMBER = r"\d+(?:\.\d+)?"
_LEVEL = re.compile(rf"(gaussian|awgn):({_NUMBER})(?:-({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class NoiseSpec:
    """One kind of noise, applied to pictures in [0, 1].

    Attributes:
        name: How the user writes it.
        kind: `gaussian` (with optional impulses) or the `blind` mixture.
        sigma: Range of the standard deviation on the [0, 1] scale; each picture draws one.
        clip: Clip to [0, 1] after the Gaussian part.
        impulse: Share of colour values that become 0, and equally many that become 1.
    """

    name: str
    kind: Literal["gaussian", "blind"]
    sigma: tuple[float, float] = (0.0, 0.0)
    clip: bool = True
    impulse: float = 0.0


BASIC = NoiseSpec("basic", "gaussian", (0.2, 0.2))
INTENSE = NoiseSpec("intense", "gaussian", (0.4, 0.4), impulse=0.05)
BLIND = NoiseSpec("blind", "blind")
PRESETS = {spec.name: spec for spec in (BASIC, INTENSE, BLIND)}
SYNTAX = "basic, intense, blind, gaussian:S (0 to 1, clipped) or awgn:S (of 255, not clipped)"


def parse_noise(text: str) -> tuple[NoiseSpec, ...]:
    """Parse a noise name, or several joined by `+`: each picture then draws one of them.

    `S` may be a range such as `awgn:0-75`, from which each picture draws its level.

    Raises:
        UsageError: The name or its level is not understood.
    """
    return tuple(_parse_one(part.strip().lower()) for part in text.split("+"))


def canonical_noise(text: str) -> str:
    """The noise as `parse_noise` names it, so that one noise has one name; errors as there."""
    return "+".join(spec.name for spec in parse_noise(text))


def is_mixture(text: str) -> bool:
    """Whether a noise, from which each picture draws its own, has no one level to score at."""
    return (
        any(spec.kind == "blind" or spec.sigma[0] < spec.sigma[1] for spec in parse_noise(text))
        or "+" in text
    )


def _parse_one(text: str) -> NoiseSpec:
    if text in PRESETS:
        return PRESETS[text]
    match = _LEVEL.fullmatch(text)
    if match is None:
        if ":" in text:
            raise UsageError(f"Noise {text!r} is not understood.", f"Write {SYNTAX}.")
        raise UnknownName("noise", text, [*PRESETS, "gaussian:0.1", "awgn:25"])
    kind, low, high = match[1], float(match[2]), float(match[3] or match[2])
    scale, most = (1.0, 1.0) if kind == "gaussian" else (255.0, 255.0)
    if not low <= high <= most:
        raise UsageError(f"The level of noise {text!r} must rise from 0 to at most {most:g}.")
    return NoiseSpec(text, "gaussian", (low / scale, high / scale), clip=kind == "gaussian")
