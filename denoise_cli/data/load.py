"""From a data set's name or folder to an `ImageSource`."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.data.folder import Split, load_folder
from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError

NAMED = ("stl10", "cifar10", "sample")


def load_dataset(
    dataset: str, split: Split, *, data_dir: Path | None = None, limit: int | None = None
) -> ImageSource:
    """Load one split of a data set into memory.

    Args:
        dataset: `stl10`, `cifar10` or `sample` (in any case), or the path of a folder.
        split: `train` or `test`.
        data_dir: Where downloads live; default `default_data_dir()`.
        limit: Keep at most this many images, evenly spread.

    Raises:
        DataError: Unknown name, failed download, empty or missing folder.
    """
    name = dataset.lower()
    if name == "sample":
        from denoise_cli.data.sample import load_sample

        return _limited(load_sample(split), limit)
    if name in NAMED:
        from denoise_cli.data.torchvision_sets import load_named

        return _limited(load_named(name, split, data_dir), limit)
    if not Path(dataset).exists():
        raise DataError(
            f"There is no data set or folder {dataset!r}.", f"Use {', '.join(NAMED)}, or the path of a folder."
        )
    return load_folder(Path(dataset), split, limit)


def _limited(source: ImageSource, limit: int | None) -> ImageSource:
    if limit is None or limit >= len(source):
        return source
    return source.subset([i * len(source) // limit for i in range(limit)])
