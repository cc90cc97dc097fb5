"""Names of noises and of mixtures of them; imports no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from denoise_cli.errors import UnknownName, UsageError

Kind = Literal["gaussian", "blind", "camera", "correlated", "real", "like"]

LIKE = "like:"
_NUMBER = r"\d+(?:\.\d+)?"
_BARE = re.compile(r"\d*\.?\d+")
_LEVEL = re.compile(rf"(gaussian|awgn|camera|correlated):({_NUMBER})(?:-({_NUMBER}))?")
_WEIGHT = re.compile(r"(\d*\.?\d+(?:e-?\d+)?)\s*\*\s*(.*)")


@dataclass(frozen=True, slots=True)
class NoiseSpec:
    """One kind of noise, applied to pictures in [0, 1].

    Attributes:
        name: How the user writes it, without a weight.
        kind: `gaussian` (with optional impulses), the `blind` mixture, `camera`, `correlated`,
            `like`: that of given photos, or `real`: the noisy pictures that a paired data set brings along.
        sigma: Range of the standard deviation on the [0, 1] scale; each picture draws one.
        clip: Clip to [0, 1] after the Gaussian part.
        impulse: Share of colour values that become 0, and equally many that become 1.
        weight: In a mixture, how many pictures get it, relative to the others.
    """

    name: str
    kind: Kind
    sigma: tuple[float, float] = (0.0, 0.0)
    clip: bool = True
    impulse: float = 0.0
    weight: float = 1.0

    @property
    def photos(self) -> Path:
        """Of the noise `like:PATH`: the folder of photos, or the file of what was measured in them."""
        return Path(self.name.removeprefix(LIKE))


BASIC = NoiseSpec("basic", "gaussian", (0.2, 0.2))
INTENSE = NoiseSpec("intense", "gaussian", (0.4, 0.4), impulse=0.05)
BLIND = NoiseSpec("blind", "blind")
CAMERA = NoiseSpec("camera", "camera", (1 / 255, 22 / 255))
CORRELATED = NoiseSpec("correlated", "correlated", (1 / 255, 27 / 255))
REAL = NoiseSpec("real", "real")
PRESETS = {spec.name: spec for spec in (BASIC, INTENSE, BLIND, CAMERA, CORRELATED, REAL)}
SYNTAX = (
    "basic, intense, blind, camera, correlated, real, gaussian:S (0 to 1, clipped), "
    "awgn:S (of 255, not clipped), camera:S or correlated:S (of 255), like:FOLDER (of your photos)"
)
"""The syntax of noises, for help texts and messages."""


def parse_noise(text: str) -> tuple[NoiseSpec, ...]:
    """Parse a noise name, or several joined by `+`: each picture then draws one of them.

    `S` may be a range such as `awgn:0-75`, from which each picture draws its level. A noise of
    a mixture may have a weight: `0.7*camera+0.3*awgn:0-75`.

    Raises:
        UsageError: The name, its level or its weight is not understood, or `real` is in a mixture.
    """
    try:
        return _checked(tuple(_parse_part(_spelled(part)) for part in text.split("+")))
    except UnknownName as error:
        if LIKE in text and "+" in text:
            error.hint = f"Where the folder of {LIKE} has a + in its name, rename it. {error.hint}"
        raise


def canonical_noise(value: str | Mapping[str, Any]) -> str:
    """The noise as `parse_noise` names it, so that one noise has one name; errors as there.

    Args:
        value: A name as for `parse_noise`, a bare sigma of `gaussian` from 0 to 1, or the weights of a
            mixture by name: `{camera: 0.7, "awgn:0-75": 0.3}`.
    """
    if isinstance(value, Mapping):
        if not value:
            raise UsageError(
                "The mixture of noises is empty.", "Give weights, as in {camera: 0.7, blind: 0.3}."
            )
        named = ((_parse_one(_spelled(str(name))), _weight(weight)) for name, weight in value.items())
        parts = _checked(tuple(replace(spec, weight=weight) for spec, weight in named))
    else:
        parts = parse_noise(f"gaussian:{float(value):g}" if _BARE.fullmatch(value.strip()) else value)
    if len(parts) == 1:
        return parts[0].name
    equal = all(part.weight == parts[0].weight for part in parts)
    return "+".join(part.name if equal else f"{part.weight:g}*{part.name}" for part in parts)


def is_mixture(text: str) -> bool:
    """Whether the noise has no single level to validate at."""
    specs = parse_noise(text)
    return len(specs) > 1 or specs[0].kind == "blind" or specs[0].sigma[0] < specs[0].sigma[1]


def short_name(text: str) -> str:
    """The noise as a part of a folder's name: `0.7*camera+0.3*awgn:25` is `0.7camera_0.3awgn25`."""
    parts = (part.partition(LIKE) for part in text.split("+"))
    names = (f"{head}like-{Path(path).stem}" if like else head for head, like, path in parts)
    return "_".join(names).replace(":", "").replace("*", "")


def gaussian_level(text: str) -> float | None:
    """Sigma on [0, 1] of a noise that is Gaussian alone and of one level; None for all others."""
    spec, *others = parse_noise(text)
    low, high = spec.sigma
    return low if spec.kind == "gaussian" and not spec.impulse and low == high and not others else None


def is_real(specs: Sequence[NoiseSpec]) -> bool:
    """Whether the noisy pictures come from the data set."""
    return any(spec.kind == "real" for spec in specs)


def _checked(specs: tuple[NoiseSpec, ...]) -> tuple[NoiseSpec, ...]:
    if is_real(specs) and len(specs) > 1:
        raise UsageError(
            "The noise `real` comes from a data set of pairs, so it cannot be mixed by name.",
            "Add the folder of pairs to `data.mix` instead.",
        )
    return specs


def _parse_part(text: str) -> NoiseSpec:
    match = _WEIGHT.fullmatch(text)
    if match is None:
        return _parse_one(text)
    return replace(_parse_one(match[2].strip()), weight=_weight(match[1]))


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0) or isinstance(value, bool):
        raise UsageError(f"The weight of a noise must be a number above 0, not {value!r}.")
    return weight


def _spelled(text: str) -> str:
    """The text in lower case, but for a path."""
    head, like, path = text.strip().partition(LIKE)
    return head.lower() + like + path.strip() if like else head.lower()


def _parse_one(text: str) -> NoiseSpec:
    if text in PRESETS:
        return PRESETS[text]
    if text.startswith(LIKE):
        if not text.removeprefix(LIKE):
            raise UsageError("The noise `like:` names no photos.", "Write like:FOLDER, or like:FILE.yaml.")
        return NoiseSpec(f"{LIKE}{Path(text.removeprefix(LIKE))}", "like")
    match = _LEVEL.fullmatch(text)
    if match is None:
        if ":" in text:
            raise UsageError(f"Noise {text!r} is not understood.", f"Write {SYNTAX}.")
        raise UnknownName("noise", text, [*PRESETS, "gaussian:0.1", "awgn:25"])
    kind, low, high = match[1], float(match[2]), float(match[3] or match[2])
    most = 1.0 if kind == "gaussian" else 255.0
    if not low <= high <= most:
        raise UsageError(f"The level of noise {text!r} must rise from 0 to at most {most:g}.")
    sigma = (low / most, high / most)
    if kind in {"camera", "correlated"}:
        if low == 0:
            raise UsageError(f"The level of noise {text!r} must be above 0.", f"Write {kind}:1-{high:g}.")
        return NoiseSpec(text, "camera" if kind == "camera" else "correlated", sigma)
    return NoiseSpec(text, "gaussian", sigma, clip=kind == "gaussian")
