"""The batch of each training step. It follows from (seed, step) alone: nothing to save or restore."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.data.augment import enlarge, flip, rotate, to_grey
from denoise_cli.data.pairs import match_exposure, paired_crops
from denoise_cli.data.source import Images, ImageSource
from denoise_cli.data.streaming import StreamedSource
from denoise_cli.noise.apply import add_noise
from denoise_cli.noise.spec import NoiseSpec
from denoise_cli.seeds import derive_seed

# A step's images are drawn in this many independent parts, so that 1, 2 or 4 processes
# that share a step see the very same crops and noise.
SHARDS_PER_STEP = 4

PassOrder = Callable[[Images, int], Tensor]
"""The indices of a data set in the order of one pass, from a seed."""


@dataclass(frozen=True, slots=True)
class WeightedSource:
    """One data set of a mixture, with its crop."""

    source: Images
    crop: int
    rescale: float = 1.0
    weight: float = 1.0
    enlarge: float = 1.0
    enlarge_share: float = 0.5


def on_device(stream: WeightedSource, device: torch.device) -> WeightedSource:
    """The stream with its images on a GPU, where they take at most half of its free memory.

    Elsewhere only the crops of a step travel.
    """
    source = stream.source
    if device.type != "cuda" or not isinstance(source, ImageSource):
        return stream
    fits = source.pixels.nbytes <= torch.cuda.mem_get_info(device)[0] / 2
    return replace(stream, source=source.to(device)) if fits else stream


@dataclass(frozen=True, slots=True)
class Batch:
    """A step's images on the device: float (B, 3, S, S), noisy and clean, and labels (B,) or None."""

    noisy: Tensor
    clean: Tensor
    labels: Tensor | None


@dataclass(frozen=True, slots=True)
class Batches:
    """Draws the batch of any step.

    The indices of a data set form one endless sequence of shuffled passes; step `s` takes images
    `s * batch_size` onward, so every image comes once per pass and batches are always full.

    Attributes:
        streams: Data sets; each step comes from one.
        noise: Noise of the noisy copies.
        batch_size: Images of a step over all processes.
        seed: Run seed.
        device: Where the batches are made; the images themselves may stay elsewhere.
        flip, rotate, grey: Augmentation, see `DataConfig`.
        weaker: Share of pictures whose noise is weakened by a random amount.
        rank, world: This process and how many share a step.
    """

    streams: tuple[WeightedSource, ...]
    noise: tuple[NoiseSpec, ...]
    batch_size: int
    seed: int
    device: torch.device
    flip: bool = True
    rotate: bool = False
    grey: float = 0.0
    weaker: float = 0.0
    rank: int = 0
    world: int = 1
    # Cached in the object, so that no data set outlives its run.
    _order: PassOrder = field(default_factory=lambda: lru_cache(16)(_pass_order), repr=False, compare=False)

    def __getitem__(self, step: int) -> Batch:
        number = self._choose_stream(step)
        stream = self.streams[number]
        seed, start = derive_seed(self.seed, number), step * self.batch_size
        indices = _row(stream.source, start, self.batch_size, seed, self._order)
        shared = torch.Generator().manual_seed(derive_seed(self.seed, step, -1))
        scale = 1 - (1 - stream.rescale) * float(torch.rand(1, generator=shared))
        draw = partial(self._part, stream, indices, step, scale)
        # Drawing normal deviates takes one core each on a CPU, so the parts share the cores.
        parts = list((_pool().map if self.device.type == "cpu" else map)(draw, self._parts()))
        labels = [part.labels for part in parts if part.labels is not None]
        return Batch(
            noisy=torch.cat([part.noisy for part in parts]),
            clean=torch.cat([part.clean for part in parts]),
            labels=torch.cat(labels) if labels else None,
        )

    def _choose_stream(self, step: int) -> int:
        if len(self.streams) == 1:
            return 0
        generator = torch.Generator().manual_seed(derive_seed(self.seed, step, -2))
        weights = torch.tensor([stream.weight for stream in self.streams])
        return int(torch.multinomial(weights, 1, generator=generator))

    def _parts(self) -> range:
        count = self._part_count()
        each = count // self.world
        return range(self.rank * each, (self.rank + 1) * each)

    def _part_count(self) -> int:
        return (
            SHARDS_PER_STEP
            if SHARDS_PER_STEP % self.world == 0 and self.batch_size % SHARDS_PER_STEP == 0
            else self.world
        )

    def _part(self, stream: WeightedSource, indices: Tensor, step: int, scale: float, part: int) -> Batch:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, step, part))
        indices = indices.tensor_split(self._part_count())[part]
        source = stream.source
        if source.noisy is None:
            wide = round(stream.crop / scale)
            crops = source.crops(indices, wide, generator).to(self.device, non_blocking=True)
            clean = self._turned(_resized(crops.float().div_(255), stream.crop), generator)
            if stream.enlarge > 1:
                clean = enlarge(clean, stream.enlarge, stream.enlarge_share, generator)
            clean = clean.contiguous(memory_format=torch.channels_last)
            noisy = add_noise(clean, self.noise, generator)
        else:
            # Not rescaled: camera noise is valid only at the camera's pixel size.
            halves = torch.cat(paired_crops(source, indices, stream.crop, generator), 1)
            halves = halves.to(self.device, non_blocking=True).float().div_(255)
            noisy, clean = self._turned(halves, generator).chunk(2, 1)
            clean = match_exposure(clean, noisy).contiguous(memory_format=torch.channels_last)
        if self.weaker:
            noisy = _weaken(noisy, clean, self.weaker, generator)
        labels = None if source.labels is None else source.labels[indices].to(clean.device)
        return Batch(noisy.contiguous(memory_format=torch.channels_last), clean, labels)

    def _turned(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Mirrored, turned and made grey as asked for; (B, 6, S, S) holds pairs, which stay pairs."""
        if self.flip:
            x = flip(x, generator)
        if self.rotate:
            x = rotate(x, generator)
        if self.grey:
            x = to_grey(x, self.grey, generator)
        return x


def _resized(x: Tensor, side: int) -> Tensor:
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(SHARDS_PER_STEP)


class Prefetcher:
    """Draws the next step's batch while this one trains, where images are read from the disk."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        reads = any(isinstance(stream.source, StreamedSource) for stream in batches.streams)
        self._thread = ThreadPoolExecutor(1) if reads else None
        self._next: tuple[int, Future[Batch]] | None = None

    def __getitem__(self, step: int) -> Batch:
        if self._thread is None:
            return self._batches[step]
        ready, self._next = self._next, None
        batch = ready[1].result() if ready and ready[0] == step else self._batches[step]
        self._next = (step + 1, self._thread.submit(self._batches.__getitem__, step + 1))
        return batch


def _row(source: Images, start: int, count: int, seed: int, pass_order: PassOrder) -> Tensor:
    """`count` image indices from position `start` of the endless sequence of shuffled passes."""
    picked: list[Tensor] = []
    length = len(pass_order(source, derive_seed(seed, 0)))
    while count > 0:
        cycle, position = divmod(start, length)
        order = pass_order(source, derive_seed(seed, cycle))
        picked.append(order[position : position + count])
        start, count = start + len(picked[-1]), count - len(picked[-1])
    return torch.cat(picked)


def _pass_order(source: Images, seed: int) -> Tensor:
    return source.pass_order(torch.Generator().manual_seed(seed))


def _weaken(noisy: Tensor, clean: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Blend about `share` of the noisy pictures toward their clean ones by a random amount."""
    chosen = torch.rand(len(noisy), generator=generator) < share
    amount = torch.where(chosen, torch.rand(len(noisy), generator=generator), torch.ones(len(noisy)))
    return torch.lerp(clean, noisy, amount.view(-1, 1, 1, 1).to(clean.device))
