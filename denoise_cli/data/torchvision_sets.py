"""`stl10` and `cifar10`, downloaded and checked by torchvision."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from denoise_cli.data.classes import CLASSES
from denoise_cli.data.held_out import Split
from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError

# Seconds of silence after which a server counts as gone.
TIMEOUT = 30.0


def default_data_dir() -> Path:
    """The folder of downloads: DENOISE_DATA_DIR, or the user's cache folder."""
    return Path(os.environ.get("DENOISE_DATA_DIR") or user_cache_dir("denoise"))


def load_named(name: str, split: Split, data_dir: Path | None = None) -> ImageSource:
    """Load one split of `stl10` or `cifar10`, downloading the data set where it is missing.

    Every file is compared with its MD5 checksum at each load, so that a download or an
    extraction that was cut off is never used: it is done again.

    Args:
        name: `stl10` or `cifar10`.
        split: `train` or `test`, the official ones.
        data_dir: Folder that holds torchvision's; default `default_data_dir()`.

    Raises:
        DataError: The download failed or its files are not the official ones.
    """
    folder = data_dir or default_data_dir()
    kind = _dataset_class(name)
    try:
        with _quiet_downloads():
            images, labels = _read_split(kind, name, split, folder)
    except (OSError, EOFError, RuntimeError, ValueError, tarfile.TarError, pickle.UnpicklingError) as error:
        raise _explain(kind, name, folder, error) from error
    return ImageSource.from_arrays(
        name,
        images,
        [f"{split}/{index:05d}" for index in range(len(images))],
        labels=labels,
        classes=CLASSES[name],
    )


def _dataset_class(name: str) -> Any:
    from torchvision import datasets

    if name == "cifar10":
        return datasets.CIFAR10

    class LabelledSTL10(datasets.STL10):  # type: ignore[misc]
        """STL-10 without its 100,000 unlabelled images, 2.8 GB that nothing here reads."""

        train_list = datasets.STL10.train_list[:2]

    return LabelledSTL10


def _read_split(kind: Any, name: str, split: Split, folder: Path) -> tuple[list[Any], list[int]]:
    """Images (H, W, 3) uint8 and labels of one split."""
    if name == "cifar10":
        dataset = kind(folder, train=split == "train", download=True)
        return list(dataset.data), [int(label) for label in dataset.targets]
    dataset = kind(folder, split=split, download=True)
    return list(dataset.data.transpose(0, 2, 3, 1)), [int(label) for label in dataset.labels]


@contextmanager
def _quiet_downloads() -> Iterator[None]:
    """Keep torchvision's messages off stdout, and do not wait for ever for a silent server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _explain(kind: Any, name: str, folder: Path, error: Exception) -> DataError:
    """An error that says what is missing and where, how to put it there, and what works without it."""
    base = folder / kind.base_folder
    names = [file for file, _ in [*kind.train_list, *kind.test_list]]
    missing = [file for file in names if not (base / file).is_file()]
    state = f"lacks {', '.join(missing)}" if missing else "holds files that are cut off or changed"
    reason = str(getattr(error, "reason", error)).rstrip(".") or type(error).__name__
    return DataError(
        f"The data set {name} could not be loaded: {base} {state}, and the download failed ({reason}).",
        f"To put it there by hand, save {kind.url} as {folder / kind.filename} (MD5 {kind.tgz_md5}) "
        "and run the command again, or name another folder with --data-dir. "
        "Without any download: --dataset sample, or a folder of your own (for a classifier with a "
        "sub-folder for each class).",
    )
