"""What may guide a U-Net and how it is told, without importing torch."""

from __future__ import annotations

from typing import Literal, get_args

Source = Literal["predicted", "zero", "oracle", "shuffled", "features"]
"""What the U-Net is told of a picture:

predicted: the logits that the classifier gives for the noisy picture (the study's)
zero: nothing; the same parameters with the map switched off
oracle: the true class, as logits
shuffled: the logits of another picture
features: the classifier's last feature grid instead of its logits
"""

Injection = Literal["concat", "film"]
"""How it is told:

concat: a map of 32 channels joins the deepest decoder level (the study's)
film: scale and shift of each channel of the bottleneck and the deepest decoder level
"""

Choice = Literal["none", "predicted", "zero", "oracle", "shuffled", "features"]
"""A source, or `none`: the plain U-Net."""

SOURCES: tuple[Source, ...] = get_args(Source)
INJECTIONS: tuple[Injection, ...] = get_args(Injection)

# These are told something that does not follow from the picture alone.
BEYOND_THE_PICTURE: frozenset[Source] = frozenset({"oracle", "shuffled"})
