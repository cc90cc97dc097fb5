"""Our JPEG against Pillow's."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from denoise_cli.metrics import psnr
from denoise_cli.noise.jpeg import jpeg


def pillow(x: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    pixels = (x[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as image:
        pixels = np.array(image)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("quality", [10, 30, 35, 50, 75, 95])
@pytest.mark.parametrize("size", [(96, 96), (45, 83)])
def test_equal_to_pillow(quality: int, size: tuple[int, int]) -> None:
    corner = data.astronaut()[60 : 60 + size[0], 180 : 180 + size[1]]
    x = torch.from_numpy(corner.copy()).permute(2, 0, 1)[None] / 255
    ours = jpeg(x, torch.tensor([float(quality)]))
    assert float(psnr(ours, pillow(x, quality))) > 40
    assert float(psnr(ours, x)) == pytest.approx(float(psnr(pillow(x, quality), x)), abs=0.2)


def test_each_picture_has_its_own_quality() -> None:
    x = torch.rand(3, 3, 32, 32)
    quality = torch.tensor([10.0, 50.0, 90.0])
    alone = torch.cat([jpeg(x[i : i + 1], quality[i : i + 1]) for i in range(3)])
    assert torch.equal(jpeg(x, quality), alone)
    scores = psnr(alone, x)
    assert bool((scores.diff() > 0).all())
