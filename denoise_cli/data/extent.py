"""How many training images a data set has, and of which size, without reading them."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.data.folder import split_root
from denoise_cli.data.names import canonical_dataset
from denoise_cli.data.pairs import is_paired
from denoise_cli.data.pictures import list_pictures, read_size
from denoise_cli.errors import DataError

_OFFICIAL = {"stl10": (5000, 96), "cifar10": (50000, 32)}
_LOOKED_AT = 16


def training_extent(dataset: str) -> tuple[int, int | None]:
    """The number of training images and the side that all share, or None where they differ.

    Of a folder the sizes of the first few pictures are looked at.

    Raises:
        DataError: No such data set, or an empty folder.
    """
    name = canonical_dataset(dataset)
    if name in _OFFICIAL:
        return _OFFICIAL[name]
    if name == "sample":
        from denoise_cli.data.sample import SIDE, load_sample

        return len(load_sample("train")), SIDE
    paths = list_pictures(split_root(Path(dataset), "train"))
    if not paths:
        raise DataError(f"No images in {dataset}.")
    sizes = {read_size(path) for path in paths[:_LOOKED_AT]}
    size = sizes.pop() if len(sizes) == 1 else None
    square = isinstance(size, tuple) and size[0] == size[1]
    count = len(paths) // 2 if is_paired(Path(dataset)) else len(paths)
    return count, size[0] if isinstance(size, tuple) and square else None
