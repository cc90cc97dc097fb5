"""`camera`: the noise of finished camera pictures, and `correlated`, its simpler relative.

Measured on 32 pairs of noisy shots and the mean of many: the noise is strongest in the
mid-tones; that of luma is correlated over one or two pixels, that of chroma comes as blotches
several pixels wide, with a third to nine tenths of luma's standard deviation. White noise on a
finished picture has none of this. Here the picture is brought back to the sensor (after Brooks
et al., "Unprocessing images for learned raw denoising", 2019), gets the noise of photons and
readout under a Bayer mosaic, is developed again, and the difference that this makes is smoothed
as cameras do before it is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from denoise_cli.noise.bayer import demosaic
from denoise_cli.noise.blur import gaussian_blur, reach
from denoise_cli.noise.generators import pixel_generator
from denoise_cli.noise.jpeg import LUMA_WEIGHTS, jpeg

# Camera colours to sRGB; rows sum to 1, so that white stays white. Typical of the published
# matrices of SLR cameras; pictures take a share of it.
_COLOUR_MATRIX = ((1.8, -0.6, -0.2), (-0.2, 1.6, -0.4), (0.0, -0.6, 1.6))
_GAMMA = 2.2
# Below this share of white, tone curves are straight, as in sRGB: a pure power law would make the
# noise of black infinite.
_TOE = 4e-3

_LUMA_BLUR = 1.1
_CHROMA_BLUR = 4.5
_CORRELATED_BLUR = 2.5
_SHARPEN_BLUR = 1.0
_MARGIN = reach(_CHROMA_BLUR) + reach(_SHARPEN_BLUR)


@dataclass(slots=True)
class _Draw:
    """Draws one value for each picture of a batch: (B,) tensors on the CPU."""

    count: int
    generator: torch.Generator

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(self.count, generator=self.generator)

    def log_uniform(self, low: float, high: float) -> Tensor:
        span = torch.tensor([low, high]).log()
        return (span[0] + (span[1] - span[0]) * torch.rand(self.count, generator=self.generator)).exp()

    def normal(self, deviation: float) -> Tensor:
        return deviation * torch.randn(self.count, generator=self.generator)

    def chance(self, probability: float) -> Tensor:
        return torch.rand(self.count, generator=self.generator) < probability


def add_camera(x: Tensor, levels: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Noisy copies of pictures, as cameras make them: 8 bits, most compressed as JPEG.

    Args:
        x: (B, 3, H, W) in [0, 1].
        levels: Range of the standard deviation of luma's noise on [0, 1], drawn log-uniform.
        generator: As in `add_noise`.

    Returns:
        (B, 3, H, W), multiples of 1/255 in [0, 1].
    """
    draw = _Draw(len(x), generator)
    level = draw.log_uniform(*levels)
    chroma_level = level * draw.uniform(0.2, 0.9)
    luma_blur = torch.where(draw.chance(0.9), draw.uniform(0.4, _LUMA_BLUR), 0.0)
    chroma_blur = torch.where(draw.chance(0.95), draw.uniform(1.0, _CHROMA_BLUR), 0.0)
    sharpening = torch.where(draw.chance(1 / 3), draw.uniform(0.2, 0.8), 0.0)
    compressed, quality = draw.chance(0.6), draw.uniform(75, 99)

    # Where noise comes from beyond the border, it is like that inside: the border has no less of it.
    wide = F.pad(x, (_MARGIN,) * 4, mode=_padding(x, _MARGIN))
    noise = _sensor_noise(wide, draw, pixel_generator(x, generator))
    luma, chroma = _split(noise)
    outer = reach(_SHARPEN_BLUR)
    luma = _scaled(_blurred(luma, luma_blur, _LUMA_BLUR, outer), level)
    chroma = _scaled(_blurred(chroma, chroma_blur, _CHROMA_BLUR, outer), chroma_level)
    noise = _sharpened(luma + chroma, sharpening)
    noisy = (x + noise).clamp(0, 1)
    return _finished(noisy, compressed, quality)


def add_correlated(x: Tensor, levels: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Noisy copies with Gaussian noise that is blurred in most pictures, grey in some; as `add_camera`."""
    draw = _Draw(len(x), generator)
    level = draw.log_uniform(*levels)
    blur = torch.where(draw.chance(0.8), draw.uniform(0.3, _CORRELATED_BLUR), 0.0)
    grey = draw.chance(0.3)
    rising = torch.where(draw.chance(0.3), draw.uniform(0.3, 1.0), 0.0)
    compressed, quality = draw.chance(0.5), draw.uniform(40, 98)

    margin = reach(_CORRELATED_BLUR)
    b, c, h, w = x.shape
    pixels = pixel_generator(x, generator)
    noise = torch.randn((b, c, h + 2 * margin, w + 2 * margin), generator=pixels, device=x.device)
    noise = torch.where(_each(grey, x), noise[:, :1], noise)
    noise = _scaled(gaussian_blur(noise, blur, margin), level)
    # In some pictures the deviation rises with brightness, as the noise of photons does.
    share = _each(rising, x)
    noise = noise * (1 - share + share * 1.6 * x.mean(1, keepdim=True).sqrt())
    return _finished((x + noise).clamp(0, 1), compressed, quality)


def _sensor_noise(x: Tensor, draw: _Draw, pixels: torch.Generator) -> Tensor:
    """The change that sensor noise makes in the developed picture `x` (B, 3, H, W)."""
    curved = _each(draw.chance(0.5), x)
    strength = draw.uniform(0.0, 0.6)
    matrix = torch.lerp(
        torch.eye(3).expand(draw.count, 3, 3),
        torch.tensor(_COLOUR_MATRIX).expand(draw.count, 3, 3),
        strength.view(-1, 1, 1),
    )
    gains = torch.stack([draw.uniform(1.4, 2.4), torch.ones(draw.count), draw.uniform(1.3, 2.2)], 1)
    to_raw = draw.uniform(0.6, 1.0).view(-1, 1, 1) * matrix.inverse() / gains.unsqueeze(2)
    from_raw = to_raw.inverse().to(x)
    to_raw = to_raw.to(x)
    # Var = a x + b, and how the two go together in cameras (Brooks et al., 2019).
    a = draw.log_uniform(1e-4, 1.2e-2)
    b = (2.18 * a.log() + 1.2 + draw.normal(0.26)).exp()
    malvar = draw.chance(0.5)

    linear = torch.where(curved, _inverse_curve(x), x).clamp(min=0) ** _GAMMA
    raw = torch.einsum("bdc,bchw->bdhw", to_raw, linear).clamp(0, 1)
    mosaic = _bayer(raw)
    noise = torch.randn(mosaic.shape, generator=pixels, device=x.device)
    noise = noise * (_each(a, x) * mosaic + _each(b, x)).sqrt()
    # Demosaicing is linear, so it can be applied to the noise alone.
    raw_noise = demosaic(noise, malvar)

    def developed(values: Tensor) -> Tensor:
        y = torch.einsum("bdc,bchw->bdhw", from_raw, values).clamp(_TOE, 1) ** (1 / _GAMMA)
        return torch.where(curved, y * y * (3 - 2 * y), y)

    return developed(raw + raw_noise) - developed(raw)


def _inverse_curve(x: Tensor) -> Tensor:
    """The inverse of the tone curve 3 x^2 - 2 x^3."""
    return 0.5 - (torch.asin(1 - 2 * x.clamp(0, 1)) / 3).sin()


def _bayer(raw: Tensor) -> Tensor:
    """The RGGB mosaic (B, 1, H, W) of a picture (B, 3, H, W)."""
    mosaic = raw[:, 1:2].clone()
    mosaic[..., ::2, ::2] = raw[:, 0:1, ::2, ::2]
    mosaic[..., 1::2, 1::2] = raw[:, 2:3, 1::2, 1::2]
    return mosaic


def _split(noise: Tensor) -> tuple[Tensor, Tensor]:
    """Luma (B, 1, H, W), and what is left of the colours (B, 3, H, W)."""
    luma = torch.einsum("c,bchw->bhw", noise.new_tensor(LUMA_WEIGHTS), noise).unsqueeze(1)
    return luma, noise - luma


def _blurred(noise: Tensor, sigma: Tensor, widest: float, outer: int) -> Tensor:
    """The noise blurred, `outer` pixels larger than the picture on every side."""
    spare = _MARGIN - outer - reach(widest)
    if spare:
        noise = noise[..., spare:-spare, spare:-spare]
    return gaussian_blur(noise, sigma, reach(widest))


def _scaled(noise: Tensor, level: Tensor) -> Tensor:
    """The noise with the standard deviation `level` (B,), over all its planes and pixels."""
    found = noise.square().mean(dim=(1, 2, 3)).sqrt().clamp(min=1e-8)
    return noise * _each(level.to(noise.device) / found, noise)


def _sharpened(noise: Tensor, amount: Tensor) -> Tensor:
    """Unsharp masking, which cameras do after smoothing; cuts the border it needs."""
    margin = reach(_SHARPEN_BLUR)
    inside = noise[..., margin:-margin, margin:-margin]
    soft = gaussian_blur(noise, torch.full((len(noise),), _SHARPEN_BLUR), margin)
    return inside + _each(amount, noise) * (inside - soft)


def _finished(noisy: Tensor, compressed: Tensor, quality: Tensor) -> Tensor:
    """Eight bits, and for the chosen pictures the loss of JPEG."""
    noisy = (noisy * 255).round() / 255
    chosen = compressed.nonzero().squeeze(1)
    if len(chosen):
        at = chosen.to(noisy.device)
        noisy[at] = jpeg(noisy[at], quality[chosen])
    return noisy


def _each(values: Tensor, like: Tensor) -> Tensor:
    """One value per picture, (B,), to multiply (B, C, H, W) with."""
    return values.view(-1, 1, 1, 1).to(like.device)


def _padding(x: Tensor, margin: int) -> str:
    """Reflection, where the picture is large enough for it."""
    return "reflect" if min(x.shape[-2:]) > margin else "replicate"
