"""Guidance of a U-Net: sources and injections. Imports no torch.

A guided U-Net is conditioned on a *source* of information on the picture's class; the *injection* is
how that information enters the network.
"""

from __future__ import annotations

from typing import Literal, get_args

GuidanceSource = Literal["zero", "predicted", "oracle", "shuffled", "features"]
"""The source of guidance:

zero: nothing; the same parameters with the map switched off
predicted: the logits that the classifier gives for the noisy picture (the study's)
oracle: the true class, as logits
shuffled: the logits of another picture
features: the classifier's last feature grid instead of its logits
"""

GuidanceInjection = Literal["concat", "film"]
"""The injection:

concat: a map of 32 channels joins the deepest decoder level (the study's)
film: scale and shift of each channel of the bottleneck and the deepest decoder level
"""

GuidanceChoice = Literal["none", "zero", "predicted", "oracle", "shuffled", "features"]
"""A source, or `none`: the plain U-Net."""

GUIDANCE_CHOICES: tuple[GuidanceChoice, ...] = get_args(GuidanceChoice)

# Sources that cannot be computed from the picture alone.
NEEDS_EXTERNAL_LOGITS: frozenset[GuidanceSource] = frozenset({"oracle", "shuffled"})

# Of the map that joins the deepest decoder level.
GUIDANCE_CHANNELS = 32
