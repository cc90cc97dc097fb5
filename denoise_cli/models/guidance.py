"""What may guide a U-Net and how it is told, without importing torch."""

from __future__ import annotations

from typing import Literal, get_args

Source = Literal["zero", "predicted", "oracle", "shuffled", "features"]
"""What the U-Net is told of a picture:

zero: nothing; the same parameters with the map switched off
predicted: the logits that the classifier gives for the noisy picture (the study's)
oracle: the true class, as logits
shuffled: the logits of another picture
features: the classifier's last feature grid instead of its logits
"""

Injection = Literal["concat", "film"]
"""How it is told:

concat: a map of 32 channels joins the deepest decoder level (the study's)
film: scale and shift of each channel of the bottleneck and the deepest decoder level
"""

Choice = Literal["none", "zero", "predicted", "oracle", "shuffled", "features"]
"""A source, or `none`: the plain U-Net."""

CHOICES: tuple[Choice, ...] = get_args(Choice)

# These are told something that does not follow from the picture alone.
NEEDS_EXTERNAL_LOGITS: frozenset[Source] = frozenset({"oracle", "shuffled"})

# Of the map that joins the deepest decoder level.
GUIDANCE_CHANNELS = 32
