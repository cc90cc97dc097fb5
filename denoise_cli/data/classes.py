"""Class names of the named data sets, in the order of their labels."""

from __future__ import annotations

CLASSES: dict[str, tuple[str, ...]] = {
    "stl10": ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}
