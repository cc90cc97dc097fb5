"""Published scores to print beside ours, and when they compare."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

import numpy as np

from denoise_cli.config.evaluation import AWGN_LEVELS

# The reference study: PSNR (dB) and SSIM on the STL-10 test images by its own protocol.
STUDY_SCORES: dict[tuple[str, bool, str], tuple[float, float]] = {
    ("cnn", False, "basic"): (24.5342, 0.7614),
    ("cae", False, "basic"): (19.6813, 0.5636),
    ("unet", False, "basic"): (23.7105, 0.7328),
    ("cnn", True, "basic"): (24.0136, 0.7426),
    ("cae", True, "basic"): (21.5009, 0.6647),
    ("unet", True, "basic"): (24.4413, 0.7610),
    ("cnn_unet", True, "basic"): (24.6064, 0.7697),
    ("resnet_unet", True, "basic"): (24.4675, 0.7624),
    ("cnn", True, "intense"): (20.8161, 0.5922),
    ("cae", True, "intense"): (19.6031, 0.5732),
    ("unet", True, "intense"): (21.3482, 0.6338),
    ("cnn_unet", True, "intense"): (21.3080, 0.6373),
    ("resnet_unet", True, "intense"): (21.2912, 0.6447),
}
# Accuracy of its classifiers on the same images under `basic` noise.
STUDY_ACCURACY = {"cnn": 0.5333, "resnet": 0.4733}
_STL10_TEST = 8000

# PSNR (dB) at sigma 15, 25 and 50 of 255, noise not clipped, colour: each method's own paper.
_AWGN: dict[str, dict[str, tuple[float, float, float]]] = {
    "cbsd68": {
        "CBM3D": (33.52, 30.71, 27.38),
        "DnCNN": (33.90, 31.24, 27.95),
        "FFDNet": (33.87, 31.21, 27.96),
        "GRL-T": (34.30, 31.66, 28.45),
        "DRUNet": (34.30, 31.69, 28.51),
        "SwinIR": (34.42, 31.78, 28.56),
        "Restormer, blind": (34.39, 31.78, 28.59),
    },
    "kodak24": {
        "CBM3D": (34.28, 31.68, 28.46),
        "DnCNN": (34.60, 32.14, 28.95),
        "FFDNet": (34.63, 32.13, 28.98),
        "GRL-T": (35.24, 32.78, 29.67),
        "DRUNet": (35.31, 32.89, 29.86),
        "SwinIR": (35.34, 32.89, 29.79),
        "Restormer, blind": (35.44, 33.02, 30.00),
    },
    "mcmaster": {
        "CBM3D": (34.06, 31.66, 28.51),
        "DnCNN": (33.45, 31.52, 28.62),
        "FFDNet": (34.66, 32.35, 29.18),
        "GRL-T": (35.49, 33.18, 30.06),
        "DRUNet": (35.40, 33.14, 30.08),
        "SwinIR": (35.61, 33.20, 30.22),
        "Restormer, blind": (35.55, 33.31, 30.29),
    },
}


def stl10_share(dataset: str, shapes: np.ndarray) -> Literal["whole", "part"] | None:
    """Whether a data set is the study's test set, or a part of it.

    Args:
        dataset: Name or folder; a folder counts as a part if its name begins with `stl10`.
        shapes: (N, 2) heights and widths; only 96x96 images are STL-10 as the study had it.
    """
    name = PurePath(dataset).name.lower()
    if not name.startswith("stl10") or not bool((shapes == 96).all()):
        return None
    return "whole" if dataset.lower() == "stl10" and len(shapes) == _STL10_TEST else "part"


def awgn_rows(dataset: str) -> dict[str, dict[str, float]]:
    """Published PSNR by method and noise for a folder named after its test set; else none."""
    name = PurePath(dataset).name.lower()
    for test_set, rows in _AWGN.items():
        if name.startswith(test_set):
            return {method: dict(zip(AWGN_LEVELS, values, strict=True)) for method, values in rows.items()}
    return {}
