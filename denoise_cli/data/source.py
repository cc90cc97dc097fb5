"""Image sources: the protocol `Images` of every data set, and `ImageSource`, which is in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.errors import DataError


class Images(Protocol):
    """uint8 RGB images of any sizes, in memory or not; attributes as of `ImageSource`."""

    @property
    def name(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def shapes(self) -> Tensor: ...
    @property
    def labels(self) -> Tensor | None: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> Tensor | None: ...
    @property
    def skipped(self) -> tuple[str, ...]: ...
    @property
    def noisy(self) -> Images | None: ...
    @property
    def uniform_size(self) -> tuple[int, int] | None: ...
    def __len__(self) -> int: ...
    def __hash__(self) -> int: ...
    def image(self, index: int) -> Tensor: ...
    def subset(self, indices: Tensor | Sequence[int]) -> Self: ...
    def with_classes(self, classes: Sequence[str]) -> Self: ...
    def to(self, device: torch.device) -> Self: ...
    def pass_order(self, generator: torch.Generator) -> Tensor: ...
    def crops(self, indices: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor: ...
    def readable(self, indices: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """uint8 RGB images of any sizes in one flat buffer.

    Attributes:
        name: What messages call it.
        pixels: All images' (3, H, W) values one after another, flat, uint8.
        offsets: (N,) where each image starts in `pixels`.
        shapes: (N, 2) height and width.
        names: One name per image, stable across machines.
        labels: (N,) class indices, or None where the images have no classes.
        classes: Class names; empty without labels.
        groups: (N,) images of one group are not independent (crops of one photo, shots of one scene).
        skipped: Files that were left out, with the reason.
        noisy: Noisy pictures of the same scenes, one for each image and of its size, where the
            data set holds pairs.
    """

    name: str
    pixels: Tensor
    offsets: Tensor
    shapes: Tensor
    names: tuple[str, ...]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    groups: Tensor | None = None
    skipped: tuple[str, ...] = ()
    noisy: Images | None = None

    @classmethod
    def from_arrays(
        cls,
        name: str,
        images: Sequence[np.ndarray],
        names: Sequence[str],
        *,
        labels: Sequence[int] | None = None,
        classes: Sequence[str] = (),
        groups: Sequence[int] | None = None,
        skipped: Sequence[str] = (),
    ) -> ImageSource:
        """Collect uint8 arrays (H, W, 3); raises `DataError` when there is none."""
        if not images:
            raise DataError(f"{name} has no readable images.", *(["; ".join(skipped[:3])] if skipped else []))
        sizes = [image.size for image in images]
        pixels = np.empty(sum(sizes), np.uint8)
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        for image, offset in zip(images, offsets, strict=True):
            pixels[offset : offset + image.size] = image.transpose(2, 0, 1).ravel()
        return cls(
            name=name,
            pixels=torch.from_numpy(pixels),
            offsets=torch.from_numpy(offsets.astype(np.int64)),
            shapes=torch.tensor([image.shape[:2] for image in images]),
            names=tuple(names),
            labels=None if labels is None else torch.tensor(labels),
            classes=tuple(classes),
            groups=None if groups is None else torch.tensor(groups),
            skipped=tuple(skipped),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def uniform_size(self) -> tuple[int, int] | None:
        """The height and width that all images share, or None."""
        return shared_size(self.shapes)

    def image(self, index: int) -> Tensor:
        """Image `index` as uint8 (3, H, W), a view."""
        height, width = self.shapes[index].tolist()
        start = int(self.offsets[index])
        return self.pixels[start : start + 3 * height * width].view(3, height, width)

    def subset(self, indices: Tensor | Sequence[int]) -> ImageSource:
        """The chosen images; shares the pixels."""
        keep = torch.as_tensor(indices, dtype=torch.int64)
        return replace(
            self,
            offsets=self.offsets[keep],
            shapes=self.shapes[keep],
            names=tuple(self.names[i] for i in keep.tolist()),
            labels=None if self.labels is None else self.labels[keep],
            groups=None if self.groups is None else self.groups[keep],
            noisy=None if self.noisy is None else self.noisy.subset(keep),
        )

    def with_classes(self, classes: Sequence[str]) -> ImageSource:
        """Renumber the labels to another list of classes, which must hold all of ours."""
        labels = renumbered(self.name, self.labels, self.classes, classes)
        return replace(self, labels=labels, classes=tuple(classes))

    def to(self, device: torch.device) -> ImageSource:
        """The same images with their pixels on `device`; the rest stays on the CPU."""
        noisy = None if self.noisy is None else self.noisy.to(device)
        return replace(self, pixels=self.pixels.to(device), noisy=noisy)

    def pass_order(self, generator: torch.Generator) -> Tensor:
        """The images' indices in the shuffled order of one pass."""
        return torch.randperm(len(self), generator=generator)

    def crops(self, indices: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
        """One square crop of each chosen image.

        Args:
            indices: (B,) on the CPU.
            size: Side in pixels; smaller images are continued by reflection.
            generator: CPU generator of the random positions; None crops the centre.

        Returns:
            uint8 (B, 3, size, size) on the device of the pixels.
        """
        shapes, offsets = self.shapes[indices], self.offsets[indices]
        corner = draw_corners(shapes, size, generator)
        if self._is_dense(offsets, size):
            whole = self.pixels.view(-1, 3, size, size)
            return whole[(offsets // (3 * size * size)).to(self.pixels.device)]
        device = self.pixels.device
        steps = torch.arange(size)
        rows = reflect(corner[:, :1] + steps, shapes[:, :1]).to(device)
        columns = reflect(corner[:, 1:] + steps, shapes[:, 1:]).to(device)
        height_px, width_px = (v.to(device).view(-1, 1, 1, 1) for v in shapes.unbind(1))
        flat = offsets.to(device).view(-1, 1, 1, 1) + torch.arange(3, device=device).view(1, 3, 1, 1) * (
            height_px * width_px
        )
        flat = flat + rows.view(len(rows), 1, size, 1) * width_px + columns.view(len(rows), 1, 1, size)
        return self.pixels[flat]

    def readable(self, indices: Tensor) -> Tensor:
        """The same indices: images in memory have already been read."""
        return indices

    def _is_dense(self, offsets: Tensor, size: int) -> bool:
        """Whether all images are squares of this size, one after another: no cropping is needed."""
        each = 3 * size * size
        aligned = self.pixels.numel() % each == 0 and not bool((offsets % each).any())
        return aligned and self.uniform_size == (size, size)


def resized(source: Images, side: int) -> ImageSource:
    """All images scaled (antialiased bicubic) so that their shorter side is `side` pixels."""
    images = []
    for index in range(len(source)):
        image = source.image(index)
        scale = side / min(image.shape[-2:])
        size = [round(length * scale) for length in image.shape[-2:]]
        scaled = F.interpolate(image[None].float(), size, mode="bicubic", antialias=True)
        images.append(scaled[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
    noisy = None if source.noisy is None else resized(source.noisy, side)
    return replace(_with_images(source, images), noisy=noisy)


def for_classifier(source: Images, side: int) -> Images:
    """All images as a classifier of this image size sees them: the middle square, scaled to it.

    Images that are such squares stay as they are.
    """
    if source.uniform_size == (side, side):
        return source
    return centre_cropped(resized(source, side), side)


def centre_cropped(source: Images, size: int) -> ImageSource:
    """All images cut to their centre squares of `size` pixels."""
    # Where one half of a pair cannot be read, both come from the next pair.
    indices = source.readable(torch.arange(len(source)))
    crops = source.crops(indices, size).permute(0, 2, 3, 1).numpy()
    noisy = None if source.noisy is None else centre_cropped(source.noisy.subset(indices), size)
    return replace(_with_images(source, list(crops)), noisy=noisy)


def _with_images(source: Images, images: Sequence[np.ndarray]) -> ImageSource:
    """A source in memory with these images in place of those in `source`, one for one."""
    return ImageSource.from_arrays(
        source.name,
        images,
        source.names,
        labels=None if source.labels is None else source.labels.tolist(),
        classes=source.classes,
        groups=None if source.groups is None else source.groups.tolist(),
        skipped=source.skipped,
    )


def shared_size(shapes: Tensor) -> tuple[int, int] | None:
    """The height and width that all rows of `shapes` (N, 2) share, or None."""
    first = shapes[0]
    return (int(first[0]), int(first[1])) if bool((shapes == first).all()) else None


def evenly_spaced(length: int, count: int) -> list[int]:
    """`count` indices, evenly over `length` items, so that no class is left out; all if there are fewer."""
    count = min(length, count)
    return [number * length // count for number in range(count)]


def renumbered(name: str, labels: Tensor | None, classes: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Labels among `classes`, renumbered to `wanted`; raises `DataError` where a class is missing."""
    if labels is None:
        raise DataError(
            f"{name} has no class folders, so its images have no labels.",
            "Sort the images into one subfolder per class.",
        )
    missing = [each for each in classes if each not in wanted]
    if missing:
        raise DataError(f"{name} has classes that are not among {', '.join(wanted)}: {', '.join(missing)}.")
    return torch.tensor([wanted.index(each) for each in classes])[labels]


def draw_corners(shapes: Tensor, size: int, generator: torch.Generator | None) -> Tensor:
    """Top left corners (B, 2) of square crops in images of `shapes` (B, 2); the centre without generator."""
    room = (shapes - size).clamp(min=0)
    if generator is None:
        return room // 2
    return (torch.rand(room.shape, generator=generator) * (room + 1)).long()


def reflect(position: Tensor, length: Tensor) -> Tensor:
    """Fold positions beyond the edge back inside: ... 2 1 0 1 2 ... without repeating the edge."""
    period = (2 * (length - 1)).clamp(min=1)
    folded = position % period
    return torch.where(length > 1, torch.minimum(folded, period - folded), 0)
