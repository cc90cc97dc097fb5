"""Add noise that was measured to clean pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from denoise_cli.noise.generators import pixel_generator
from denoise_cli.noise.jpeg import LUMA_WEIGHTS
from denoise_cli.noise.like.model import LAGS, Correlation, MeasuredNoise

# Up to this distance correlations are taken as measured; from there they fade out.
_SURE = 4


def add_measured(x: Tensor, noise: MeasuredNoise, generator: torch.Generator) -> Tensor:
    """Noisy copies of pictures, each as one of the measured photos, in 8 bits.

    Args:
        x: (B, 3, H, W) in [0, 1].
        generator: As in `add_noise`.

    Returns:
        (B, 3, H, W), multiples of 1/255 in [0, 1].
    """
    photos = [
        noise.photos[i] for i in torch.randint(len(noise.photos), (len(x),), generator=generator).tolist()
    ]
    pixels = pixel_generator(x, generator)
    height, width = x.shape[-2:]
    size = (len(x), 4, height + LAGS, width + LAGS)
    white = torch.randn(size, generator=pixels, device=x.device)
    luma = _coloured(white[:, :1], noise.luma)
    chroma = torch.einsum("dc,bchw->bdhw", _root(noise.colours).to(x), _coloured(white[:, 1:], noise.chroma))
    brightness = torch.einsum("c,bchw->bhw", x.new_tensor(LUMA_WEIGHTS), x)
    noisy = x.clone()
    for name, field in (("luma", luma), ("chroma", chroma)):
        for index, photo in enumerate(photos):
            sigma = _interpolate(brightness[index], photo.levels, getattr(photo, name))
            noisy[index] += sigma * field[index, :, :height, :width]
    # JPEG is not applied: the noise has been through it, and once more would blur its colours again.
    return (noisy.clamp(0, 1) * 255).round() / 255


def _coloured(white: Tensor, correlation: Correlation) -> Tensor:
    """White noise (B, C, H, W) filtered to these correlations, with a variance of 1.

    The spectrum is the Fourier transform of the correlation (Wiener-Khinchin); the left and the right
    border, and the upper and the lower, are correlated over as many pixels, so cut `LAGS` of them off.
    """
    height, width = white.shape[-2:]
    quadrant = torch.tensor(correlation) * _fading()[:, None] * _fading()
    whole = torch.zeros(height, width)
    for dy in range(-min(LAGS, height) + 1, min(LAGS, height)):
        for dx in range(-min(LAGS, width) + 1, min(LAGS, width)):
            whole[dy % height, dx % width] = quadrant[abs(dy), abs(dx)]
    power = torch.fft.fft2(whole).real.clamp(min=0)
    gain = (power / power.mean().clamp(min=1e-12)).sqrt()[:, : width // 2 + 1]
    coloured: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * gain.to(white), (height, width))
    return coloured


def _fading() -> Tensor:
    """1 near, then a line to 0 just beyond the last lag."""
    lags = torch.arange(float(LAGS))
    return ((LAGS - lags) / (LAGS - _SURE)).clamp(max=1)


def _root(covariance: tuple[tuple[float, float, float], ...]) -> Tensor:
    """A matrix whose square is the covariance (3, 3)."""
    values, vectors = torch.linalg.eigh(torch.tensor(covariance, dtype=torch.float64))
    root: Tensor = vectors * values.clamp(min=0).sqrt()
    return root.float()


def _interpolate(at: Tensor, levels: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Values of 255 at brightnesses `at` (H, W) on [0, 1], also on [0, 1]; constant beyond the ends."""
    x, y = at.new_tensor(levels) / 255, at.new_tensor(values) / 255
    if len(x) == 1:
        return y.expand_as(at)
    right = torch.searchsorted(x, at.contiguous()).clamp(1, len(x) - 1)
    share = ((at - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
    return torch.lerp(y[right - 1], y[right], share)
