"""Estimate the noise of a photo: brightness and colour, fine and coarse.

The picture is cut into blocks of 16x16 pixels, and the flattest of them show its noise. Their variance
around a plane also sees coarse noise, which second differences between neighbours miss. Three things
tell noise from what a picture shows: drawings repeat values exactly; the variance of texture grows with
the size of a block, the variance of noise does not; and camera noise has colour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from denoise_cli.photo.pixels.colour import LUMA
from denoise_cli.photo.pixels.types import Array

BLOCK = 16
_HALF = BLOCK // 2
# The share of blocks, flattest first, that is taken for flat.
_FLATTEST = 0.25
# Noise often grows with brightness, so the flattest blocks are sought at several levels of it.
_LEVELS, _BLOCKS_PER_LEVEL = 4, 32
# A block is a drawing where more neighbours than this are equal, and cut off where fewer values are
# inside the range; with less of the picture left than `_LEAST`, nothing can be said.
_EQUAL, _INSIDE, _LEAST = 0.5, 0.4, 0.02
# Variance in 16x16 over that in 8x8 pixels: up to the first for noise, from the second for texture.
# Measured in the flattest quarter: 1.00 to 1.25 for the noise of cameras, 1.1 to 2.4 for most photographs.
_GROWTH = (1.2, 1.6)
# Noise of cameras is at most so many times stronger in brightness than in colour.
_MOST_GREY = 6.0
# Below this share of the whole, fine noise is the lesser part (white noise: 1).
_COARSE = 0.7
# White noise of equal strength in all channels has 1.3 times as much colour as brightness.
_COLOURFUL = 2.0
# Shares of blocks, flattest first, and how many times rougher the last may be than the first where all
# of their roughness is noise, and where none is. Measured: 1.2 to 1.6 with noise, 3.5 (median) without.
_FLOOR, _ALIKE = (0.01, 0.06, 0.12), (1.7, 2.4)
# As `_GROWTH`, for these blocks: blurred noise grows too, up to 1.6 as cameras blur it, 2.2 at 2.5 pixels.
_FLOOR_GROWTH = (2.0, 2.6)
# From the darkest to the brightest parts, noise seldom varies by more than this factor.
_SPREAD = 2.0
# Less is told as 0.0 of 255, and what is not there is not coarse either.
_TOLD = 0.05 / 255


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of a photo's noise, on [0, 1].

    Attributes:
        sigma: Per colour channel.
        luma: Of the brightness (Rec. 601).
        chroma: Of what is left of the channels without the brightness, root mean square.
        fine: Of the brightness, as second differences between neighbouring pixels see it.
    """

    sigma: tuple[float, ...]
    luma: float
    chroma: float
    fine: float

    @property
    def text(self) -> str:
        """For people: `12.5 of 255, coarse`."""
        return f"{255 * self._mean:.1f} of 255" + (", coarse" if self.coarse else "")

    @property
    def coarse(self) -> bool:
        """Whether most of it is coarser than pixels, as after demosaicking, scaling or JPEG."""
        if self._mean < _TOLD:
            return False
        return self.fine < _COARSE * self.luma or self.chroma > _COLOURFUL * self.luma

    @property
    def _mean(self) -> float:
        return sum(self.sigma) / len(self.sigma)

    def for_channels(self, count: int) -> Noise:
        """The noise of a grey plane as that of `count` equal channels."""
        return replace(self, sigma=self.sigma * (count // len(self.sigma)))


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Variances per block; (N,) unless said otherwise.

    Attributes:
        level: Mean brightness.
        channels: (C, N), around planes.
        luma, luma_half, fine: In the block, in its quarters, and from second differences.
        chroma: In the block.
    """

    level: Array
    channels: Array
    luma: Array
    luma_half: Array
    fine: Array
    chroma: Array

    def take(self, which: NDArray[Any]) -> _Blocks:
        """These of the blocks."""
        return _Blocks(*(getattr(self, field.name)[..., which] for field in fields(self)))


class NoiseLevel:
    """Collects blocks of a photo and estimates its noise from them."""

    def __init__(self, channels: int) -> None:
        self._nothing = Noise((0.0,) * channels, 0.0, 0.0, 0.0)
        self._parts: list[_Blocks] = []
        self._count = 0

    def add(self, planes: Array) -> None:
        """Look at (C, H, W) in [0, 1]; rows and columns beyond whole blocks are left out."""
        height, width = planes.shape[1:]
        if min(height, width) < BLOCK:
            missing = [(0, max(0, BLOCK - side)) for side in (height, width)]
            planes = np.pad(planes, ((0, 0), *missing), mode="symmetric")
        blocks = _cut(planes, BLOCK)
        self._count += blocks.shape[1]
        usable = _usable(blocks)
        if usable.any():
            self._parts.append(_measure(blocks[:, usable]))

    def noise(self) -> Noise:
        """The estimate; 0 where there was nothing to look at."""
        if sum(len(part.level) for part in self._parts) <= _LEAST * self._count:
            return self._nothing
        groups = _by_level(_joined(self._parts))
        colour = np.array([np.quantile(group.chroma, _FLATTEST / 2) for group in groups])
        luma, fine, *sigma = (_typical(values) for values in np.stack([_flat(group) for group in groups], 1))
        floor = float(np.median([_floor(group) for group in groups]))
        if floor > luma:
            # Blurred noise grows with the block as texture does, but it is everywhere.
            sigma = [value * floor / max(luma, 1e-9) if luma else floor for value in sigma]
            luma = floor
        if not colour.any():
            return Noise(tuple(sigma), luma, 0.0, fine)
        chroma = _typical(colour)
        share = min(1.0, _MOST_GREY * float(np.sqrt(colour.mean())) / max(luma, 1e-9))
        return Noise(tuple(value * share for value in sigma), luma * share, chroma, fine * share)


def _measure(blocks: Array) -> _Blocks:
    """The variances of (C, N, 16, 16)."""
    weights = LUMA if len(blocks) == 3 else np.ones(1, np.float32)
    luma = np.tensordot(weights, blocks, 1)
    quarters = luma.reshape(-1, 2, _HALF, 2, _HALF).swapaxes(2, 3).reshape(-1, 4, _HALF, _HALF)
    return _Blocks(
        level=luma.mean((-1, -2)),
        channels=_around_plane(blocks),
        luma=_around_plane(luma),
        luma_half=_around_plane(quarters).mean(-1),
        fine=_second_differences(luma),
        chroma=_around_plane(blocks - luma).mean(0),
    )


def _cut(planes: Array, side: int) -> Array:
    """(C, H, W) as (C, N, side, side)."""
    channels, height, width = len(planes), planes.shape[1] // side, planes.shape[2] // side
    whole = planes[:, : height * side, : width * side]
    return whole.reshape(channels, height, side, width, side).swapaxes(2, 3).reshape(channels, -1, side, side)


def _around_plane(blocks: Array) -> Array:
    """Variance of (..., b, b) around the plane of least squares."""
    side = blocks.shape[-1]
    pixels = blocks.reshape(-1, side * side)
    place = np.arange(side, dtype=np.float32) - (side - 1) / 2
    planes = np.stack([np.repeat(place, side), np.tile(place, side)], 1) / np.sqrt(side * (place @ place))
    # Products with a matrix: much faster than sums along short axes.
    centred = pixels - pixels @ np.full((side * side, 1), 1 / side**2, np.float32)
    slopes = np.square(centred @ planes).sum(-1)
    left = np.einsum("np,np->n", centred, centred) - slopes
    return np.asarray(np.maximum(left, 0) / (side * side - 3), np.float32).reshape(blocks.shape[:-2])


def _second_differences(blocks: Array) -> Array:
    """Variance of white noise in (..., b, b), from second differences along both axes (Immerkaer, 1996)."""
    rows = blocks[..., :-2, :] - 2 * blocks[..., 1:-1, :] + blocks[..., 2:, :]
    both = rows[..., :-2] - 2 * rows[..., 1:-1] + rows[..., 2:]
    # The weights (1, -2, 1) x (1, -2, 1) have norm 6.
    squares = np.einsum("...ij,...ij->...", both, both)
    return np.asarray(squares / (36 * both.shape[-1] * both.shape[-2]), np.float32)


def _usable(blocks: Array) -> NDArray[np.bool_]:
    """Mask (N,) of the blocks (C, N, b, b) that are neither clipped nor drawings."""
    inside = ((blocks > 0) & (blocks < 1)).any(0).mean((-1, -2))
    equal = (blocks[..., 1:] == blocks[..., :-1]).all(0).mean((-1, -2))
    return np.asarray((inside >= _INSIDE) & (equal <= _EQUAL))


def _by_level(blocks: _Blocks) -> list[_Blocks]:
    """As many blocks in each group; from dark to bright."""
    count = max(1, min(_LEVELS, len(blocks.level) // _BLOCKS_PER_LEVEL))
    order = np.argsort(blocks.level, kind="stable")
    return [blocks.take(part) for part in np.array_split(order, count)]


def _joined(parts: list[_Blocks]) -> _Blocks:
    names = [field.name for field in fields(_Blocks)]
    return _Blocks(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


def _flat(blocks: _Blocks) -> Array:
    """Variances of luma, of fine luma and of the channels (2 + C,) in the flattest blocks."""
    count = max(1, int(_FLATTEST * len(blocks.luma)))
    flat = np.argpartition(blocks.luma, count - 1)[:count]
    values = np.vstack([blocks.luma, blocks.fine, blocks.channels])[:, flat]
    rows = np.median(values, axis=-1)
    growth = rows[0] / max(1e-12, float(np.median(blocks.luma_half[flat])))
    noisy = _fall(float(growth), _GROWTH)
    # Of texture, no more is noise than is seen from pixel to pixel.
    finest = float(np.quantile(blocks.fine, _FLATTEST / 2))
    share = noisy + (1 - noisy) * min(1.0, finest / max(1e-12, float(rows[0])))
    shares = np.full(len(rows), share)
    shares[1] = noisy + (1 - noisy) * min(1.0, finest / max(1e-12, float(rows[1])))
    return np.asarray(rows * shares, np.float32)


def _floor(blocks: _Blocks) -> float:
    """The standard deviation below which no block of some is; 0 where that is not noise.

    Noise is everywhere, so the flattest blocks are alike; of a clean picture, some are much flatter.
    """
    least, flat, most = np.quantile(blocks.luma, _FLOOR)
    chosen = blocks.luma <= most
    growth = np.median(blocks.luma[chosen]) / max(1e-12, float(np.median(blocks.luma_half[chosen])))
    share = _fall(float(np.sqrt(most / max(1e-12, least))), _ALIKE) * _fall(float(growth), _FLOOR_GROWTH)
    return share * float(np.sqrt(flat))


def _fall(value: float, ramp: tuple[float, float]) -> float:
    """1 up to the ramp's first number, 0 from its second."""
    low, high = ramp
    return float(np.clip((high - value) / (high - low), 0, 1))


def _typical(variances: Array) -> float:
    """One standard deviation of several levels; what is much larger than the least is texture."""
    some = variances[variances > 0]
    if not some.size:
        return 0.0
    return float(np.sqrt(np.minimum(variances, _SPREAD**2 * some.min()).mean()))
