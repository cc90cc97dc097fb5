"""Tune the classical methods on training images; prints the table of their settings.

python scripts/tune_baselines.py data/stl10-part
"""

from __future__ import annotations

import sys

import torch

from denoise_cli.data.load import load_dataset
from denoise_cli.evaluation.comparison.classical import LEVELS, methods
from denoise_cli.evaluation.comparison.tuning import Axes, tune
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
    # OpenCV's `h` is of 255.
    "opencv nlm": {"h": [255 * v for v in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0)]},
}
SCALED = {"sigma_color", "weight", "h"}


def main(dataset: str) -> None:
    """Print the best settings of each method at each noise."""
    source = load_dataset(dataset, "train", limit=IMAGES)
    indices = list(range(len(source)))
    clean = torch.stack([source.image(i) for i in indices]).float() / 255
    for method in (name for name in GRID if name in methods()):
        print(f"    {method!r}: {{")
        for noise, sigma in {**LEVELS, "intense": 0.4}.items():
            noisy = add_test_noise(clean, parse_noise(noise), indices, 1)
            settings, value = tune(method, _scaled(method, sigma), [(noisy, clean)])
            print(f"        {noise!r}: {settings},  # {value:.2f} dB")
        print("    },")


def _scaled(method: str, sigma: float) -> Axes:
    scaled = SCALED if method == "gaussian" else SCALED | {"sigma"}
    return {
        name: [round(value * sigma, 4) for value in values] if name in scaled else values
        for name, values in GRID[method].items()
    }


if __name__ == "__main__":
    main(sys.argv[1])
