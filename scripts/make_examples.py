"""Make examples/clean.png and examples/noisy.png from scikit-image's astronaut (public domain, NASA)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut

from denoise_cli.noise.apply import add_test_noise
from denoise_cli.noise.spec import parse_noise

FOLDER = Path(__file__).parents[1] / "examples"


def main() -> None:
    """Write both pictures, 512 x 512, 8 bits."""
    clean = astronaut()
    x = torch.from_numpy(clean).permute(2, 0, 1)[None].float() / 255
    noisy = add_test_noise(x, parse_noise("basic"), indices=[0], seed=0)[0]
    FOLDER.mkdir(exist_ok=True)
    Image.fromarray(clean).save(FOLDER / "clean.png", optimize=True)
    pixels = (noisy.permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    Image.fromarray(pixels).save(FOLDER / "noisy.png", optimize=True)


if __name__ == "__main__":
    main()
