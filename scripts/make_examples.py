"""Make the pictures in examples/ and the README from scikit-image's astronaut (public domain, NASA)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut

from denoise_cli import denoise, load_model
from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"


def main() -> None:
    """Write the clean and the noisy picture, 512 x 512, 8 bits, and the README's pair."""
    clean = astronaut()
    x = torch.from_numpy(clean).permute(2, 0, 1)[None].float() / 255
    noisy = add_test_noise(x, parse_noise("basic"), indices=[0], seed=0)[0]
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(clean).save(FOLDER / "clean.png", optimize=True)
    pixels = (noisy.permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(pixels).save(FOLDER / "noisy.png", optimize=True)
    pair = np.concatenate([pixels, denoise(pixels, load_model())], axis=1)
    (ROOT / "docs").mkdir(exist_ok=True)
    Image.fromarray(pair).save(ROOT / "docs" / "before-after.jpg", quality=85)


if __name__ == "__main__":
    main()
