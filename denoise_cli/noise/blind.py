"""`blind`: the mixture that weights for real photographs are trained on.

Per picture: 20 % exactly `basic`, 20 % exactly `intense`, 60 % a mixture of Gaussian,
signal-dependent (Poisson-Gaussian), spatially correlated, grey, impulse and JPEG noise,
of which one in ten is almost clean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.noise.generators import pixel_generator
from denoise_cli.noise.jpeg import jpeg

SHARE_BASIC = 0.2
SHARE_INTENSE = 0.2
SIGMA_MAX = 0.5
IMPULSE_MAX = 0.08
GAIN_MAX = 0.1


@dataclass(slots=True)
class _Levels:
    """What each picture of a batch draws: (B,) tensors on the CPU."""

    sigma: Tensor
    gain: Tensor
    blur: Tensor
    grey: Tensor
    clip: Tensor
    black: Tensor
    white: Tensor
    quality: Tensor


def add_blind(x: Tensor, generator: torch.Generator) -> Tensor:
    """Noisy copies of `x` (B, 3, H, W) in [0, 1]; `generator` as in `add_noise`."""
    levels = _draw_levels(len(x), generator)
    pixels = pixel_generator(x, generator)

    def per_picture(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1).to(x.device)

    noise = torch.randn(x.shape, generator=pixels, device=x.device)
    noise = _correlate(noise, levels.blur)
    noise = torch.where(per_picture(levels.grey), noise[:, :1], noise)
    # Var = sigma^2 + gain * x: read noise plus photon noise (Foi et al., 2008).
    noisy = x + noise * (per_picture(levels.sigma) ** 2 + per_picture(levels.gain) * x).sqrt()
    noisy = torch.where(per_picture(levels.clip), noisy.clamp(0, 1), noisy)
    u = torch.rand(x.shape, generator=pixels, device=x.device)
    noisy = torch.where(u < per_picture(levels.black), 0.0, noisy)
    noisy = torch.where(u >= 1 - per_picture(levels.white), 1.0, noisy)
    compressed = (levels.quality > 0).nonzero().squeeze(1)
    if len(compressed):
        quality = levels.quality[compressed]
        compressed = compressed.to(x.device)
        noisy[compressed] = jpeg(noisy[compressed].clamp(0, 1), quality)
    return noisy


def _draw_levels(count: int, generator: torch.Generator) -> _Levels:
    def uniform() -> Tensor:
        return torch.rand(count, generator=generator)

    share = uniform()
    basic, intense = share < SHARE_BASIC, (share >= SHARE_BASIC) & (share < SHARE_BASIC + SHARE_INTENSE)
    fixed = basic | intense
    almost_clean = uniform() < 0.1
    # More weak noise than strong: that is what photographs have.
    sigma = SIGMA_MAX * uniform() ** 1.5
    photon = uniform() < 0.4
    gain = torch.where(photon, GAIN_MAX * uniform() ** 2, 0.0)
    sigma = torch.where(photon, sigma / 2, sigma)
    sigma = torch.where(almost_clean, 0.02 * uniform(), sigma)
    gain = torch.where(almost_clean, 0.0, gain)
    sigma = torch.where(basic, 0.2, torch.where(intense, 0.4, sigma))
    impulses = (uniform() < 0.25) & ~almost_clean
    black = torch.where(impulses, IMPULSE_MAX * uniform(), 0.0)
    white = torch.where(impulses, IMPULSE_MAX * uniform(), 0.0)
    compress = (uniform() < 0.2) & ~fixed
    quality = torch.where(compress, 30 + 65 * uniform(), 0.0)
    blur = torch.where((uniform() < 0.25) & ~fixed, 0.4 + 0.8 * uniform(), 0.0)
    return _Levels(
        sigma=sigma,
        gain=torch.where(fixed, 0.0, gain),
        blur=blur,
        grey=(uniform() < 0.15) & ~fixed,
        clip=(uniform() < 0.7) | fixed,
        black=torch.where(basic, 0.0, torch.where(intense, 0.05, black)),
        white=torch.where(basic, 0.0, torch.where(intense, 0.05, white)),
        quality=quality,
    )


def _correlate(noise: Tensor, blur: Tensor) -> Tensor:
    """Blur the noise of pictures whose `blur` (B,), a Gaussian's sigma in pixels, is above 0.

    The kernel has unit energy, so that the variance stays 1.
    """
    chosen = (blur > 0).nonzero().squeeze(1)
    if not len(chosen):
        return noise
    sigma = blur[chosen].view(-1, 1)
    taps = torch.exp(-(torch.arange(-3.0, 4.0).view(1, -1) ** 2) / (2 * sigma**2))
    taps = (taps / taps.square().sum(1, keepdim=True).sqrt()).to(noise.device)
    chosen = chosen.to(noise.device)
    count, channels, height, width = noise[chosen].shape
    groups = count * channels
    kernel = taps.repeat_interleave(channels, 0)
    planes = F.pad(noise[chosen].reshape(1, groups, height, width), (3, 3, 3, 3), mode="replicate")
    planes = F.conv2d(planes, kernel.view(groups, 1, 1, 7), groups=groups)
    planes = F.conv2d(planes, kernel.view(groups, 1, 7, 1), groups=groups)
    noise = noise.clone()
    noise[chosen] = planes.reshape(count, channels, height, width)
    return noise
