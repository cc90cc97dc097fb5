"""Classical denoisers, with parameters tuned once on training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from denoise_cli.noise.spec import parse_noise

Pixels = NDArray[np.float64]
Settings = dict[str, float]


class Classical(nn.Module):
    """A classical method in the place of a network: (B, 3, H, W) on the CPU to the same."""

    def __init__(self, clean: Callable[..., Pixels], settings: Settings) -> None:
        super().__init__()
        self._clean, self._settings = clean, settings

    def forward(self, x: Tensor) -> Tensor:
        pictures = x.double().clamp(0, 1).permute(0, 2, 3, 1).numpy()
        cleaned = [self._clean(picture, **self._settings) for picture in pictures]
        return torch.from_numpy(np.stack(cleaned)).permute(0, 3, 1, 2).float()


def classical_method(
    method: str, noise: str, tuned: Mapping[str, Settings] = MappingProxyType({})
) -> tuple[Classical, Settings]:
    """A method with its `tuned` settings, else those for the nearest noise; and these settings."""
    if method in tuned:
        settings = tuned[method]
    else:
        settings = {"sigma": _sigma(noise)} if method == "bm3d" else TUNED[method][nearest_level(noise)]
    return Classical(CLEANERS[method], settings), settings


def methods() -> list[str]:
    """The methods that can run here: some only where the user installed their packages."""
    return [name for name in CLEANERS if name not in _OPTIONAL or _is_installed(name)]


def notes(noises: Sequence[str]) -> list[str]:
    """Notes on the origin of the methods' settings, and on methods that are left out."""
    lines = ["Classical settings were tuned once, on 40 STL-10 training images."] if noises else []
    for noise in noises:
        level = nearest_level(noise)
        if level != noise:
            lines.append(f"Under {noise} noise they are those for {level}, the nearest that was tuned for.")
    return lines + [why for name, (_, why) in _OPTIONAL.items() if not _is_installed(name)]


def _is_installed(method: str) -> bool:
    return find_spec(_OPTIONAL[method][0]) is not None


def nearest_level(noise: str) -> str:
    """The tuned noise that is nearest to `noise`; `intense` for noise with impulses."""
    if any(spec.impulse for spec in parse_noise(noise)):
        return "intense"
    return min(LEVELS, key=lambda level: abs(LEVELS[level] - _sigma(noise)))


def _sigma(noise: str) -> float:
    """The middle of the noise's range of sigma; 0.2 for the blind mixture, 5 of 255 for camera noise."""
    typical = {"blind": 0.2, "real": 0.02}
    return float(np.mean([typical.get(spec.kind, np.mean(spec.sigma)) for spec in parse_noise(noise)]))


def _gaussian(x: Pixels, sigma: float) -> Pixels:
    from skimage.filters import gaussian

    return np.asarray(gaussian(x, sigma, channel_axis=-1, mode="reflect"))


def _median(x: Pixels, side: int) -> Pixels:
    from skimage.filters import median

    return np.stack([median(x[..., c], np.ones((side, side))) for c in range(x.shape[-1])], -1)


def _bilateral(x: Pixels, sigma_color: float, sigma_spatial: float) -> Pixels:
    from skimage.restoration import denoise_bilateral

    return np.asarray(
        # skimage's own default takes black for what lies beyond the border.
        denoise_bilateral(
            x, sigma_color=sigma_color, sigma_spatial=sigma_spatial, mode="reflect", channel_axis=-1
        )
    )


def _tv(x: Pixels, weight: float) -> Pixels:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(x, weight, channel_axis=-1))


def _wavelet(x: Pixels, sigma: float) -> Pixels:
    from skimage.restoration import denoise_wavelet

    return np.asarray(
        denoise_wavelet(
            x,
            sigma,
            wavelet="db2",
            mode="soft",
            method="BayesShrink",
            convert2ycbcr=True,
            rescale_sigma=True,
            channel_axis=-1,
        )
    )


def _nlm(x: Pixels, h: float, sigma: float) -> Pixels:
    from skimage.restoration import denoise_nl_means

    return np.asarray(
        denoise_nl_means(x, patch_size=5, patch_distance=6, h=h, sigma=sigma, fast_mode=True, channel_axis=-1)
    )


def _opencv_nlm(x: Pixels, h: float) -> Pixels:
    import cv2

    cv2.setNumThreads(torch.get_num_threads())
    # It takes 8 bits a channel, blue first, and `h` of 255.
    bgr = np.ascontiguousarray((x[..., ::-1] * 255).round().astype(np.uint8))
    cleaned = cv2.fastNlMeansDenoisingColored(bgr, None, h, h, 7, 21)
    return np.asarray(cleaned[..., ::-1] / 255.0)


def _bm3d(x: Pixels, sigma: float) -> Pixels:
    from bm3d import bm3d_rgb

    return np.asarray(bm3d_rgb(x, sigma))


CLEANERS: dict[str, Callable[..., Pixels]] = {
    "gaussian": _gaussian,
    "median": _median,
    "bilateral": _bilateral,
    "tv": _tv,
    "wavelet": _wavelet,
    "nlm": _nlm,
    "opencv nlm": _opencv_nlm,
    "bm3d": _bm3d,
}
# Packages of methods that the user may have installed, and what to say where not.
_OPTIONAL = {
    "opencv nlm": (
        "cv2",
        "OpenCV's non-local means is left out: its package `opencv-python-headless` is not installed.",
    ),
    "bm3d": (
        "bm3d",
        "BM3D is left out: its package `bm3d` is not installed (its licence is non-commercial).",
    ),
}
# Noises that the settings were tuned for, and their sigma.
LEVELS = {"gaussian:0.05": 0.05, "gaussian:0.1": 0.1, "basic": 0.2, "gaussian:0.4": 0.4}
# Chosen by `scripts/tune_baselines.py` for the highest mean PSNR.
TUNED: dict[str, dict[str, Settings]] = {
    "gaussian": {
        "gaussian:0.05": {"sigma": 0.5},
        "gaussian:0.1": {"sigma": 0.7},
        "basic": {"sigma": 1.0},
        "gaussian:0.4": {"sigma": 1.7},
        "intense": {"sigma": 1.7},
    },
    "median": {
        "gaussian:0.05": {"side": 3},
        "gaussian:0.1": {"side": 3},
        "basic": {"side": 5},
        "gaussian:0.4": {"side": 7},
        "intense": {"side": 9},
    },
    "bilateral": {
        "gaussian:0.05": {"sigma_color": 0.025, "sigma_spatial": 3},
        "gaussian:0.1": {"sigma_color": 0.05, "sigma_spatial": 2},
        "basic": {"sigma_color": 0.1, "sigma_spatial": 2},
        "gaussian:0.4": {"sigma_color": 0.2, "sigma_spatial": 2},
        "intense": {"sigma_color": 0.4, "sigma_spatial": 2},
    },
    "tv": {
        "gaussian:0.05": {"weight": 0.0225},
        "gaussian:0.1": {"weight": 0.06},
        "basic": {"weight": 0.15},
        "gaussian:0.4": {"weight": 0.36},
        "intense": {"weight": 0.3},
    },
    "wavelet": {
        "gaussian:0.05": {"sigma": 0.05},
        "gaussian:0.1": {"sigma": 0.1},
        "basic": {"sigma": 0.17},
        "gaussian:0.4": {"sigma": 0.34},
        "intense": {"sigma": 0.34},
    },
    "nlm": {
        "gaussian:0.05": {"h": 0.04, "sigma": 0.05},
        "gaussian:0.1": {"h": 0.06, "sigma": 0.1},
        "basic": {"h": 0.06, "sigma": 0.2},
        "gaussian:0.4": {"h": 0.2, "sigma": 0.2},
        "intense": {"h": 0.2, "sigma": 0.2},
    },
    "opencv nlm": {
        "gaussian:0.05": {"h": 6.375},
        "gaussian:0.1": {"h": 12.75},
        "basic": {"h": 25.5},
        "gaussian:0.4": {"h": 40.8},
        "intense": {"h": 40.8},
    },
}
