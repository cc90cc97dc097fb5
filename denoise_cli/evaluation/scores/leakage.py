"""Keep to images that runs were not trained on, and say so where that is not possible."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from denoise_cli.config.yaml import read_yaml
from denoise_cli.data.folder import split_root
from denoise_cli.data.held_out import Split
from denoise_cli.data.load import has_no_parts
from denoise_cli.data.names import NAMED, canonical_dataset
from denoise_cli.data.pairs import has_part, is_paired
from denoise_cli.errors import DataError, DenoiseError, counted
from denoise_cli.runs import RunFolder


def kept_share(weights: Iterable[Path], dataset: str) -> float:
    """The share of a folder without a test part that all runs trained on it kept for testing.

    It is 0 where none was trained on it, and where one was trained on all of it.

    Args:
        weights: Weight files in their run folders.
        dataset: What is scored: a name, or a folder.
    """
    if not has_no_parts(dataset):
        return 0.0
    scored = _part(dataset, "test")
    sets = (_training_sets(RunFolder(path.parent).config) for path in weights)
    # The pictures of a smaller share are among those of a larger one.
    return min(
        (share for found in sets for name, share in found if _part(name, "train") == scored), default=0.0
    )


def leakage_notes(weights: Iterable[Path], dataset: str, test_share: float, count: int) -> tuple[str, ...]:
    """What is to be said of the images that are scored: which they are, and who has seen them.

    Args:
        weights: Weight files in their run folders.
        dataset: What is scored: a name, or a folder.
        test_share: The share of it that is scored, as `kept_share` says; 0 is all.
        count: The number of images.
    """
    kept = f"{dataset} has no test part: scored on the {counted(count, 'picture')} that training left out."
    leaks = {leakage_note(path, dataset, test_share) for path in weights} - {""}
    return (*([kept] if test_share else []), *sorted(leaks))


def leakage_note(weights: Path, dataset: str, test_share: float = 0.0) -> str:
    """A warning where the run of a weight file was trained on the images of `dataset`, else nothing.

    A run knows its data sets by its config; weights without a run are not known to have seen anything.

    Args:
        weights: A weight file in its run folder.
        dataset: What is scored: a name, or a folder.
        test_share: The share of it that is scored, as `kept_share` says; 0 is all.
    """
    scored = _part(dataset, "test")
    if scored is None:
        return ""
    for name, share in _training_sets(RunFolder(weights.parent).config):
        seen = _part(name, "train")
        if scored == seen and share >= test_share > 0:
            continue
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


def _training_sets(config: Path) -> list[tuple[str, float]]:
    """Data sets of a run, each with the share of its pictures that was kept for testing.

    Folders are named as they are found from here.
    """
    try:
        values = read_yaml(config)
        data = values["data"]
        # Runs of earlier versions kept nothing, and mixtures do not.
        mix = [(item["dataset"], 0.0) for item in data.get("mix") or ()]
        found = mix or [(data["dataset"], float(data.get("test_share", 0.0)))]
    except (DenoiseError, KeyError, TypeError, ValueError, AttributeError):
        return []
    names = [(_from_run(config.parent, name), share) for name, share in found if isinstance(name, str)]
    # Nothing is kept of a folder that has parts.
    return [(name, share if has_no_parts(name) else 0.0) for name, share in names]


def _from_run(run: Path, name: str) -> str:
    """A data set's name as it is found from here.

    A config names a folder as seen from where the run was started: a folder above the run's own, if it
    was not given an absolute path.
    """
    if canonical_dataset(name) in NAMED:
        return name
    above = (folder / name for folder in run.resolve().parents)
    return str(next((path for path in above if path.exists()), name))
