"""Say when images to score are among those that a run was trained on."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.config.yaml import read_yaml
from denoise_cli.data.folder import Split, split_root
from denoise_cli.data.names import NAMED, canonical_dataset
from denoise_cli.data.pairs import has_part, is_paired
from denoise_cli.errors import DataError, DenoiseError
from denoise_cli.runs import RunFolder


def leakage_note(weights: Path, dataset: str) -> str:
    """A warning where the run of a weight file was trained on the images of `dataset`, else nothing.

    A run knows its data sets by its config; weights without a run are not known to have seen anything.

    Args:
        weights: A weight file in its run folder.
        dataset: What is scored: a name, or a folder.
    """
    scored = _part(dataset, "test")
    if scored is None:
        return ""
    for name in _training_sets(RunFolder(weights.parent).config):
        seen = _part(name, "train")
        if seen is not None and (scored == seen or seen in scored.parents or scored in seen.parents):
            return (
                f"{weights.parent} was trained on images of {dataset}, so these scores are higher than on "
                "new images; put some aside in train/ and test/."
            )
    return ""


def _part(dataset: str, split: Split) -> Path | None:
    """The folder that a split of a folder is read from; None for a data set with official splits."""
    if canonical_dataset(dataset) in NAMED:
        return None
    folder = Path(dataset)
    try:
        if folder.is_dir() and is_paired(folder) and has_part(folder, split):
            return (folder / split).resolve()
        return split_root(folder, split).resolve()
    except DataError:
        return None


def _training_sets(config: Path) -> list[str]:
    try:
        values = read_yaml(config)
        data = values["data"]
        found = [item["dataset"] for item in data.get("mix") or ()] or [data["dataset"]]
    except (DenoiseError, KeyError, TypeError, AttributeError):
        return []
    return [name for name in found if isinstance(name, str)]
