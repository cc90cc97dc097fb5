"""Images that do not fit in memory: they stay on the disk and are decoded when asked for."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from denoise_cli.data.pictures import as_rgb, read_picture, reason
from denoise_cli.data.source import draw_corners, reflect, renumbered, shared_size
from denoise_cli.errors import DataError, ImageError

# Decoding a photograph takes longer than training on one crop of it, so each pass takes this many
# crops of each photograph while its decoded pixels are in the cache.
VIEWS = 8
# Pillow keeps a colour pixel in 4 bytes.
BYTES_PER_PIXEL = 4
# Bytes of decoded pictures; a larger cache does not improve the shuffling.
LARGEST_CACHE = 2 * 2**30


@dataclass(frozen=True, slots=True, eq=False)
class StreamedSource:
    """Images of a folder, decoded on demand; crops are those that `ImageSource` would give.

    Attributes:
        name, names, shapes, labels, classes, groups: As of `ImageSource`.
        paths: (N,) the files.
        pictures: Keeps decoded pictures and remembers unreadable ones; subsets share it.
        unread: Files that were left out from the start, with the reason.
        noisy: As of `ImageSource`.
    """

    name: str
    paths: tuple[Path, ...]
    shapes: Tensor
    names: tuple[str, ...]
    pictures: PictureCache
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    groups: Tensor | None = None
    unread: tuple[str, ...] = ()
    noisy: StreamedSource | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def uniform_size(self) -> tuple[int, int] | None:
        """The height and width that all images share, or None."""
        return shared_size(self.shapes)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that were left out so far, with the reason."""
        found = dict(self.pictures.unreadable)
        partner = self.noisy.skipped if self.noisy is not None else ()
        late = (f"{name}: {found[p]}" for name, p in zip(self.names, self.paths, strict=True) if p in found)
        return (*self.unread, *late, *partner)

    def image(self, index: int) -> Tensor:
        """Image `index` as uint8 (3, H, W); raises `ImageError` where the file is damaged."""
        try:
            picture = self.pictures.get(self.paths[index])
        except Exception as error:
            raise ImageError(
                f"{self.paths[index]} cannot be read: {reason(error)}.", "Remove the file or mend it."
            ) from error
        return torch.from_numpy(as_rgb(picture).transpose(2, 0, 1).copy())

    def subset(self, indices: Tensor | Sequence[int]) -> StreamedSource:
        """The chosen images; shares the decoded pictures."""
        keep = torch.as_tensor(indices, dtype=torch.int64)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in keep.tolist()),
            shapes=self.shapes[keep],
            names=tuple(self.names[i] for i in keep.tolist()),
            labels=None if self.labels is None else self.labels[keep],
            groups=None if self.groups is None else self.groups[keep],
            noisy=None if self.noisy is None else self.noisy.subset(keep),
        )

    def with_classes(self, classes: Sequence[str]) -> StreamedSource:
        """Renumber the labels to another list of classes, which must hold all of ours."""
        labels = renumbered(self.name, self.labels, self.classes, classes)
        return replace(self, labels=labels, classes=tuple(classes))

    def to(self, device: torch.device) -> StreamedSource:
        """The same images: pixels move to a device only after cropping."""
        return self

    def pass_order(self, generator: torch.Generator) -> Tensor:
        """Indices of `VIEWS` shuffled passes merged into one, with the uses of an image close together.

        The uses of an image fall within the time in which half of the cache fills, so that each
        image is decoded about once. The order assumes the largest cache whatever the memory, so
        that it is the same in every process and after a run is resumed on another machine.
        """
        pixels = self.shapes.double().prod(1).mean()
        kept = float(LARGEST_CACHE / (BYTES_PER_PIXEL * pixels))
        window = min(float(len(self)), max(1.0, kept / 2))
        order = torch.randperm(len(self), generator=generator)
        delay = window * torch.rand(VIEWS, len(self), generator=generator, dtype=torch.float64)
        time = torch.arange(len(self)) + delay
        return order[time.flatten().argsort() % len(self)]

    def crops(self, indices: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
        """One square crop of each chosen image, as `ImageSource.crops`; safe in threads.

        An image that turns out to be unreadable is replaced by the next of its class.

        Returns:
            uint8 (B, 3, size, size) on the CPU.

        Raises:
            DataError: No image of a class can be read.
        """
        corners = draw_corners(self.shapes[indices], size, generator).tolist()
        cut = _pool().map(lambda index, corner: self._cut(index, corner, size), indices.tolist(), corners)
        return torch.from_numpy(np.stack(list(cut))).permute(0, 3, 1, 2)

    def readable(self, indices: Tensor) -> Tensor:
        """The indices (B,), with unreadable images replaced by the next readable one; pairs stay whole.

        Raises:
            DataError: No image of a class can be read.
        """
        return torch.tensor(list(_pool().map(self._next_readable, indices.tolist())), dtype=torch.int64)

    def _cut(self, index: int, corner: Sequence[int], size: int) -> np.ndarray:
        """The crop (size, size, 3) of one image, or of the next readable one."""
        return _cut_square(self.pictures.get(self.paths[self._next_readable(index)]), corner, size)

    def _next_readable(self, index: int) -> int:
        """The image, or the next of its class that can be read, with its partner if it has one."""
        candidates = [(index + step) % len(self) for step in range(len(self))]
        for candidate in candidates:
            if self.labels is not None and self.labels[candidate] != self.labels[index]:
                continue
            if self.decodes(candidate) and (self.noisy is None or self.noisy.decodes(candidate)):
                return candidate
        raise DataError(f"{self.name} has no readable images.", "; ".join(self.skipped[:3]))

    def decodes(self, index: int) -> bool:
        """Whether the image can be read; if not, the cache remembers why for `skipped`."""
        try:
            self.pictures.get(self.paths[index])
        except Exception:
            return False
        return True


class PictureCache:
    """Decoded pictures, the least recently used dropped first; safe in threads.

    Attributes:
        limit: Bytes to keep; a picture being decoded in each thread comes on top.
        unreadable: Files that could not be decoded, with the reason.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.unreadable: dict[Path, str] = {}
        self._kept: OrderedDict[Path, Future[Image.Image]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, path: Path) -> Image.Image:
        """The decoded picture; raises as `read_picture`, each time without reading again."""
        with self._lock:
            future = self._kept.get(path)
            if mine := future is None:
                future = self._kept[path] = Future()
            self._kept.move_to_end(path)
        if mine:
            self._decode(path, future)
        return future.result()

    def _decode(self, path: Path, future: Future[Image.Image]) -> None:
        try:
            picture = read_picture(path)
        except Exception as error:
            self.unreadable[path] = reason(error)
            future.set_exception(error)
            return
        with self._lock:
            future.set_result(picture)
            self._bytes += _bytes(picture)
            for old in [*self._kept]:
                if self._bytes <= self.limit:
                    break
                self._drop(old)

    def _drop(self, path: Path) -> None:
        future = self._kept[path]
        # Pictures still being decoded stay; failures take no memory.
        if future.done() and future.exception() is None:
            self._bytes -= _bytes(future.result())
            del self._kept[path]


def _bytes(picture: Image.Image) -> int:
    each = 1 if picture.mode in {"L", "P", "1"} else BYTES_PER_PIXEL
    return picture.width * picture.height * each


def _cut_square(picture: Image.Image, corner: Sequence[int], size: int) -> np.ndarray:
    """A square crop as uint8 (size, size, 3); smaller pictures are continued by reflection."""
    # The corner was drawn for the size in the header, or for a picture that cannot be read.
    top = max(0, min(corner[0], picture.height - size))
    left = max(0, min(corner[1], picture.width - size))
    if min(picture.size) >= size:
        return as_rgb(picture.crop((left, top, left + size, top + size)))
    steps = torch.arange(size)
    rows = reflect(top + steps, torch.tensor(picture.height)).numpy()
    columns = reflect(left + steps, torch.tensor(picture.width)).numpy()
    pixels: np.ndarray = as_rgb(picture)[rows][:, columns]
    return pixels


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="decode")
