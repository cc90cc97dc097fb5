"""Add noise to batches of pictures, on their device, from a generator alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from denoise_cli.errors import DataError
from denoise_cli.noise.blind import add_blind
from denoise_cli.noise.camera import add_camera, add_correlated
from denoise_cli.noise.generators import pixel_generator
from denoise_cli.noise.like.add import add_measured
from denoise_cli.noise.like.photos import measured_noise
from denoise_cli.noise.spec import NoiseSpec
from denoise_cli.seeds import derive_seed


def add_noise(x: Tensor, specs: Sequence[NoiseSpec], generator: torch.Generator) -> Tensor:
    """Noisy copies of `x`.

    Args:
        x: Clean pictures (B, 3, H, W), float in [0, 1], on any device.
        specs: From `parse_noise`; with several, each picture draws one by their weights.
        generator: A CPU generator. Levels are drawn from it on the host, so that no step
            waits for the device; pixels on another device are drawn there, from a seed
            that it gives.

    Returns:
        (B, 3, H, W), in [0, 1] unless a noise is not clipped.
    """
    if len(specs) == 1:
        return _add_one(x, specs[0], generator)
    choice = _choose(specs, len(x), generator)
    noisy = torch.empty_like(x)
    for number, spec in enumerate(specs):
        chosen = (choice == number).nonzero().squeeze(1)
        if len(chosen):
            chosen = chosen.to(x.device)
            noisy[chosen] = _add_one(x[chosen], spec, generator)
    return noisy


def add_test_noise(x: Tensor, specs: Sequence[NoiseSpec], indices: Sequence[int], seed: int) -> Tensor:
    """Noisy copies of `x` (B, 3, H, W) on the CPU that depend on (seed, image index) alone.

    Batch size, order, device and number of processes do not change a picture's noise.
    """
    noisy = []
    for picture, index in zip(x, indices, strict=True):
        generator = torch.Generator().manual_seed(derive_seed(seed, index))
        noisy.append(add_noise(picture[None], specs, generator))
    return torch.cat(noisy)


def _choose(specs: Sequence[NoiseSpec], count: int, generator: torch.Generator) -> Tensor:
    """The index of each picture's noise: (count,) on the CPU."""
    if all(spec.weight == specs[0].weight for spec in specs):
        return torch.randint(len(specs), (count,), generator=generator)
    weights = torch.tensor([spec.weight for spec in specs])
    return torch.multinomial(weights, count, replacement=True, generator=generator)


def _add_one(x: Tensor, spec: NoiseSpec, generator: torch.Generator) -> Tensor:
    if spec.kind == "blind":
        return add_blind(x, generator)
    if spec.kind == "camera":
        return add_camera(x, spec.sigma, generator)
    if spec.kind == "correlated":
        return add_correlated(x, spec.sigma, generator)
    if spec.kind == "like":
        return add_measured(x, measured_noise(spec.photos), generator)
    if spec.kind == "real":
        raise DataError(
            "The noise `real` needs pairs of noisy and clean pictures.",
            "Name a folder that holds noisy/ and clean/ as --dataset.",
        )
    low, high = spec.sigma
    sigma = low + (high - low) * torch.rand(len(x), generator=generator) if low < high else torch.tensor(low)
    pixels = pixel_generator(x, generator)
    noise = torch.randn(x.shape, generator=pixels, device=x.device)
    noisy = x + noise * sigma.view(-1, 1, 1, 1).to(x.device)
    if spec.clip:
        noisy = noisy.clamp(0, 1)
    if spec.impulse:
        u = torch.rand(x.shape, generator=pixels, device=x.device)
        noisy = noisy.masked_fill(u < spec.impulse, 0.0).masked_fill(u >= 1 - spec.impulse, 1.0)
    return noisy
