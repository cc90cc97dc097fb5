"""`blind`: the mixture that weights for real photographs are trained on.

Per picture: 20 % exactly `basic`, 20 % exactly `intense`, 60 % a mixture of Gaussian,
signal-dependent (Poisson-Gaussian), spatially correlated, grey, impulse and JPEG noise,
of which one in ten is almost clean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from denoise_cli.noise.blur import gaussian_blur, reach
from denoise_cli.noise.generators import pixel_generator
from denoise_cli.noise.jpeg import jpeg

SHARE_BASIC = 0.2
SHARE_INTENSE = 0.2
SIGMA_MAX = 0.5
IMPULSE_MAX = 0.08
GAIN_MAX = 0.1
BLUR_MAX = 1.2


@dataclass(slots=True)
class _Levels:
    """The noise parameters of each picture of a batch: (B,) tensors on the CPU."""

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

    noise = _correlated(x.shape, levels.blur, pixels, x.device)
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
    blur = torch.where((uniform() < 0.25) & ~fixed, 0.4 + (BLUR_MAX - 0.4) * uniform(), 0.0)
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


def _correlated(shape: torch.Size, blur: Tensor, pixels: torch.Generator, device: torch.device) -> Tensor:
    """Normal noise of variance 1, blurred where `blur` (B,), a Gaussian's sigma in pixels, is above 0."""
    count, channels, height, width = shape
    # Drawn larger and cut, so that the border has the variance of the inside.
    margin = reach(BLUR_MAX)
    wide = (count, channels, height + 2 * margin, width + 2 * margin)
    noise = torch.randn(wide, generator=pixels, device=device)
    white = noise[..., margin:-margin, margin:-margin]
    chosen = (blur > 0).nonzero().squeeze(1)
    if not len(chosen):
        return white
    at = chosen.to(device)
    white = white.clone()
    white[at] = gaussian_blur(noise[at], blur[chosen], margin, unit_energy=True)
    return white
