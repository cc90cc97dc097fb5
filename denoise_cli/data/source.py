"""Images in memory: what every data set becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.errors import DataError


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
        groups: (N,) images of one group are not independent (crops of one photo).
        skipped: Files that could not be read, with the reason.
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
        first = self.shapes[0]
        return (int(first[0]), int(first[1])) if bool((self.shapes == first).all()) else None

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
        )

    def with_classes(self, classes: Sequence[str]) -> ImageSource:
        """Renumber the labels to another list of classes, which must hold all of ours."""
        if self.labels is None:
            raise DataError(f"{self.name} has no class folders, so its images have no labels.")
        missing = [name for name in self.classes if name not in classes]
        if missing:
            raise DataError(
                f"{self.name} has classes that are not among {', '.join(classes)}: {', '.join(missing)}."
            )
        lookup = torch.tensor([classes.index(name) for name in self.classes])
        return replace(self, labels=lookup[self.labels], classes=tuple(classes))

    def to(self, device: torch.device) -> ImageSource:
        """The same images with their pixels on `device`; the rest stays on the CPU."""
        return replace(self, pixels=self.pixels.to(device))

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
        room = (shapes - size).clamp(min=0)
        if generator is None:
            corner = room // 2
        else:
            corner = (torch.rand(room.shape, generator=generator) * (room + 1)).long()
        if self._is_dense(size):
            whole = self.pixels.view(-1, 3, size, size)
            return whole[(offsets // (3 * size * size)).to(self.pixels.device)]
        device = self.pixels.device
        steps = torch.arange(size)
        rows = _reflect(corner[:, :1] + steps, shapes[:, :1]).to(device)
        columns = _reflect(corner[:, 1:] + steps, shapes[:, 1:]).to(device)
        height_px, width_px = (v.to(device).view(-1, 1, 1, 1) for v in shapes.unbind(1))
        flat = offsets.to(device).view(-1, 1, 1, 1) + torch.arange(3, device=device).view(1, 3, 1, 1) * (
            height_px * width_px
        )
        flat = flat + rows.view(len(rows), 1, size, 1) * width_px + columns.view(len(rows), 1, 1, size)
        return self.pixels[flat]

    def _is_dense(self, size: int) -> bool:
        """Whether all images are squares of this size, so that no cropping is needed."""
        return self.uniform_size == (size, size) and self.pixels.numel() % (3 * size * size) == 0


def resized(source: ImageSource, side: int) -> ImageSource:
    """All images scaled (antialiased bicubic) so that their shorter side is `side` pixels."""
    images = []
    for index in range(len(source)):
        image = source.image(index)
        scale = side / min(image.shape[-2:])
        size = [round(length * scale) for length in image.shape[-2:]]
        enlarged = F.interpolate(image[None].float(), size, mode="bicubic", antialias=True)
        images.append(enlarged[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
    scaled = ImageSource.from_arrays(source.name, images, source.names)
    return replace(source, pixels=scaled.pixels, offsets=scaled.offsets, shapes=scaled.shapes)


def centre_cropped(source: ImageSource, size: int) -> ImageSource:
    """All images cut to their centre squares of `size` pixels."""
    crops = source.crops(torch.arange(len(source)), size).permute(0, 2, 3, 1).numpy()
    cut = ImageSource.from_arrays(source.name, list(crops), source.names)
    return replace(source, pixels=cut.pixels, offsets=cut.offsets, shapes=cut.shapes)


def _reflect(position: Tensor, length: Tensor) -> Tensor:
    """Fold positions beyond the edge back inside: ... 2 1 0 1 2 ... without repeating the edge."""
    period = (2 * (length - 1)).clamp(min=1)
    folded = position % period
    return torch.where(length > 1, torch.minimum(folded, period - folded), 0)
