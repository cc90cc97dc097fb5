"""Make the pictures in examples/ and the README's from scikit-image's astronaut (public domain, NASA)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from denoise_cli import denoise, load_model
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
# As strong as at a high ISO, and one of the draws in which colour noise is well seen.
CAMERA, SEED = "camera:12", 4
# What the README shows of it, in pixels: the face, and dark plain parts.
TOP, LEFT, SIDE = 10, 110, 256

Picture = NDArray[np.uint8]


def main() -> None:
    """Write the clean picture, 512 x 512, the noisy ones, and the README's pair."""
    clean = astronaut()
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(clean).save(FOLDER / "clean.png", optimize=True)
    Image.fromarray(noisy(clean, "basic", 0)).save(FOLDER / "noisy.png", optimize=True)
    photo = FOLDER / "photo.jpg"
    Image.fromarray(noisy(clean, CAMERA, SEED)).save(photo, quality=92)
    pixels = np.asarray(Image.open(photo))
    pair = [part[TOP : TOP + SIDE, LEFT : LEFT + SIDE] for part in (pixels, denoise(pixels, load_model()))]
    sheet = Image.fromarray(np.concatenate(pair, axis=1))
    (ROOT / "docs").mkdir(exist_ok=True)
    # Twice as large, so that single pixels are seen on any screen.
    sheet.resize((4 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS).save(
        ROOT / "docs" / "before-after.jpg", quality=88
    )


def noisy(clean: Picture, noise: str, seed: int) -> Picture:
    """A picture (H, W, 3) under a noise of `parse_noise`, in 8 bits."""
    x = torch.from_numpy(clean).permute(2, 0, 1)[None].float() / 255
    y = add_test_noise(x, parse_noise(noise), indices=[0], seed=seed)[0]
    return (y.permute(1, 2, 0) * 255).round().clamp(0, 255).numpy().astype(np.uint8)


if __name__ == "__main__":
    main()
