"""Measure the halo that each model needs: largest error of tiles against the whole photo.

For every denoiser: a noisy crop of a photograph is denoised whole, and in windows with halos
of growing size. The halo in `denoise_cli/models/registry.py` is the smallest with an error of
at most 0.5/255. Usage:

    python benchmarks/halo.py [--weights FILE ...] [--side 768]
"""

from __future__ import annotations

import argparse

import numpy as np
import skimage.data
import torch

from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise
from denoise_cli.photo.denoise_array import ArrayRows
from denoise_cli.photo.first_look import take_first_look
from denoise_cli.photo.runtimes.load import PhotoDenoiser, load_photo_denoiser
from denoise_cli.photo.tiling.plan import exact_halo, plan_windows
from denoise_cli.photo.tiling.run_windows import WindowRunner
from denoise_cli.weights.store import list_bundled

HALOS = (0, 4, 8, 16, 24, 32, 40, 48, 52, 56, 60, 64, 72, 80, 96, 104, 112, 120)


def main() -> None:
    """Print a line per model and halo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", nargs="*", default=[], help="weight files (default: all bundled)")
    parser.add_argument("--side", type=int, default=768, help="side of the photo in pixels")
    args = parser.parse_args()
    for path in args.weights or [bundled.path for bundled in list_bundled()]:
        measure(load_photo_denoiser(weights=path, runtime="onnx"), args.side)


def measure(denoiser: PhotoDenoiser, side: int) -> None:
    """Print the error of each halo on two photos under three noises, in steps of 1/255."""
    info = denoiser.info
    for halo in sorted({*HALOS, exact_halo(info)}):
        if halo > exact_halo(info):
            break
        errors = []
        for number, photo in enumerate(photos(side)):
            for noise in ("basic", "intense", "gaussian:0.05"):
                noisy = add_test_noise(photo, parse_noise(noise), [number], 0)[0].numpy()
                errors.append(255 * error(denoiser, noisy, halo))
        print(f"{info.name:12} halo {halo:3}: largest error {max(errors):7.4f} / 255", flush=True)


def photos(side: int) -> list[torch.Tensor]:
    """Two photographs from scikit-image, (1, 3, side, side) in [0, 1], repeated to fill the size."""
    found = []
    for picture in (skimage.data.astronaut(), skimage.data.coffee()):
        repeats = -(-side // min(picture.shape[:2]))
        tiled = np.tile(picture, (repeats, repeats, 1))[:side, :side]
        found.append(torch.from_numpy(tiled.copy()).permute(2, 0, 1)[None] / 255)
    return found


def error(denoiser: PhotoDenoiser, noisy: np.ndarray, halo: int) -> float:
    """Largest difference between windows with this halo and the whole picture."""
    rows = ArrayRows(noisy.transpose(1, 2, 0))
    found = take_first_look(rows, denoiser.architecture.image_size if denoiser.guided else None)
    multiple, side = denoiser.info.size_multiple, noisy.shape[1]
    results = []
    for limit in (side * side, (side // 2) ** 2):
        plan = plan_windows(side, side, multiple=multiple, halo=halo, limit=limit)
        run = WindowRunner(denoiser, plan, halo, found.thumbnail)
        result = np.empty_like(noisy)
        for row in plan.rows:
            for column in plan.columns:
                window = np.ascontiguousarray(noisy[:, row.start : row.stop, column.start : column.stop])
                clean = run(window, row, column)
                result[:, row.keep_start : row.keep_stop, column.keep_start : column.keep_stop] = clean[
                    :,
                    row.keep_start - row.start : row.keep_stop - row.start,
                    column.keep_start - column.start : column.keep_stop - column.start,
                ]
        results.append(result)
    return float(np.abs(results[0] - results[1]).max())


if __name__ == "__main__":
    main()
