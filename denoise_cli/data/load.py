"""From a data set's name or folder to its images."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.data.folder import find_split, load_folder
from denoise_cli.data.held_out import Split
from denoise_cli.data.names import NAMED, canonical_dataset
from denoise_cli.data.pairs import has_part, is_paired, load_pairs
from denoise_cli.data.source import Images, evenly_spaced
from denoise_cli.errors import DataError


def is_paired_dataset(dataset: str) -> bool:
    """Whether a data set's name or folder means pairs of noisy and clean pictures."""
    return canonical_dataset(dataset) not in NAMED and is_paired(Path(dataset))


def has_no_parts(dataset: str) -> bool:
    """Whether a data set is a folder with neither a part for training nor one for testing."""
    folder = Path(dataset)
    if canonical_dataset(dataset) in NAMED or not folder.is_dir():
        return False
    splits: tuple[Split, ...] = ("train", "test")
    return not any(
        has_part(folder, split) if is_paired(folder) else find_split(folder, split) for split in splits
    )


def load_dataset(
    dataset: str,
    split: Split,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
    max_bytes: int | None = None,
    test_share: float = 0.0,
) -> Images:
    """Load one split of a data set.

    Args:
        dataset: `stl10`, `cifar10` or `sample` (in any spelling), or the path of a folder; one of
            pairs gives the clean pictures with the noisy ones as `noisy`.
        split: `train` or `test`.
        data_dir: Where downloads live; default `default_data_dir()`.
        limit: Keep at most this many images, evenly spread.
        max_bytes: A folder of more decoded bytes is streamed from the disk; default half of
            the memory that is left.
        test_share: Share of a folder without a test part that the split `test` has for itself; 0
            makes it one set, the same for either split.

    Raises:
        DataError: Unknown name, failed download, empty or missing folder.
    """
    name = canonical_dataset(dataset)
    if name == "sample":
        from denoise_cli.data.sample import load_sample

        return _limited(load_sample(split), limit)
    if name in NAMED:
        from denoise_cli.data.torchvision_sets import load_named

        return _limited(load_named(name, split, data_dir), limit)
    if not Path(dataset).exists():
        raise DataError(
            f"There is no data set or folder {dataset!r}.",
            f"Use {', '.join(NAMED)}, or the path of a folder.",
        )
    if is_paired(Path(dataset)):
        return load_pairs(Path(dataset), split, limit, max_bytes=max_bytes, test_share=test_share)
    return load_folder(Path(dataset), split, limit, max_bytes=max_bytes, test_share=test_share)


def _limited(source: Images, limit: int | None) -> Images:
    if limit is None or limit >= len(source):
        return source
    return source.subset(evenly_spaced(len(source), limit))
