"""Tune the classical methods on training images; prints the table of their settings.

python scripts/tune_baselines.py data/stl10-part
"""

from __future__ import annotations

import sys
from itertools import product

import torch

from denoise_cli.data.load import load_dataset
from denoise_cli.evaluation.baselines import CLEANERS, LEVELS, Classical
from denoise_cli.metrics import psnr
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise

IMAGES = 40
# Sigmas here are multiples of the noise's own; the pixels of `intense` also carry impulses.
GRID: dict[str, dict[str, list[float]]] = {
    "gaussian": {"sigma": [0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4]},
    "median": {"side": [3, 5, 7, 9]},
    "bilateral": {"sigma_color": [0.25, 0.5, 1, 1.5, 2, 3, 4], "sigma_spatial": [1, 1.5, 2, 3]},
    "tv": {"weight": [0.3, 0.45, 0.6, 0.75, 0.9, 1.1, 1.4, 1.8]},
    "wavelet": {"sigma": [0.7, 0.85, 1, 1.2, 1.5, 2]},
    "nlm": {"h": [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], "sigma": [0, 0.5, 1]},
}
SCALED = {"sigma_color", "weight", "h"}


def main(dataset: str) -> None:
    """Print the best settings of each method at each noise."""
    source = load_dataset(dataset, "train", limit=IMAGES)
    indices = list(range(len(source)))
    clean = torch.stack([source.image(i) for i in indices]).float() / 255
    for method, axes in GRID.items():
        print(f"    {method!r}: {{")
        for noise, sigma in {**LEVELS, "intense": 0.4}.items():
            noisy = add_test_noise(clean, parse_noise(noise), indices, 1)
            best: tuple[float, dict[str, float]] = (0.0, {})
            for values in product(*axes.values()):
                settings = dict(zip(axes, values, strict=True))
                scaled = SCALED if method == "gaussian" else SCALED | {"sigma"}
                settings = {n: round(v * sigma, 4) if n in scaled else v for n, v in settings.items()}
                cleaned = Classical(CLEANERS[method], settings)(noisy)
                value = float(psnr(cleaned.clamp(0, 1), clean).mean())
                best = max(best, (value, settings), key=lambda pair: pair[0])
            print(f"        {noise!r}: {best[1]},  # {best[0]:.2f} dB")
        print("    },")


if __name__ == "__main__":
    main(sys.argv[1])
