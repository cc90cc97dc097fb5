"""The data sets that have names; imports nothing."""

from __future__ import annotations

from pathlib import Path

NAMED = ("stl10", "cifar10", "sample")


def canonical_dataset(text: str) -> str:
    """The data set that a name means in any usual spelling, such as `STL-10`; a folder's path as it is."""
    letters = text.lower().replace("-", "").replace("_", "").replace(" ", "")
    return letters if letters in NAMED and not Path(text).is_dir() else text


def folder_name(dataset: str) -> str:
    """The data set as a part of a folder's name: a folder without those above it, in lower case."""
    path = Path(dataset)
    return (path.name if path.name not in {"", ".."} else path.resolve().name).lower()
