"""Example pictures of a comparison, kept in its results so that reports are drawn without a model."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor, nn

from denoise_cli.data.source import Images
from denoise_cli.evaluation.comparison.results import Example, Picture
from denoise_cli.evaluation.scores.scoring import noisy_images
from denoise_cli.evaluation.scores.windows import Centre
from denoise_cli.metrics import psnr
from denoise_cli.noise.spec import parse_noise

COUNT = 3
# Larger pictures are cut to their centre, so that a report stays small enough to mail.
SIDE = 256
_QUALITY = 92


class Gallery:
    """Collects what every method makes of a few images."""

    def __init__(self, source: Images, noises: Sequence[str], seed: int, *, grey: bool = False) -> None:
        count = min(COUNT, len(source))
        self._chosen = [(2 * i + 1) * len(source) // (2 * count) for i in range(count)]
        self._names = [source.names[index] for index in self._chosen]
        self._centres: list[Centre] = []
        self._clean: list[Tensor] = []
        self._crops: list[tuple[int, int, int]] = []
        # With the context that a method needs to clean the centre as in the whole picture (a
        # guided network's classifier sees no more of a large picture than that).
        self._noisy: dict[str, list[Tensor]] = {noise: [] for noise in noises}
        self._pictures: dict[tuple[str, int], list[Picture]] = {
            (noise, place): [] for noise in noises for place in range(count)
        }
        for place, index in enumerate(self._chosen):
            whole = source.image(index).cpu().float()[None] / 255
            self._centres.append(Centre.of(whole, SIDE))
            self._clean.append(self._centres[place].cut(whole)[0].clone())
            self._crops.append(_liveliest(self._clean[place]))
            original = Picture(title="original", webp=_webp(self._clean[place]), psnr=None, crop_psnr=None)
            for noise in noises:
                noisy = noisy_images(source, whole, parse_noise(noise), [index], seed, grey=grey)
                self._noisy[noise].append(self._centres[place].cut_wide(noisy).clone())
                self._pictures[noise, place].append(original)
                self._keep("noisy", noise, place, self._noisy[noise][place])

    @torch.inference_mode()
    def add(self, title: str, noise: str, model: nn.Module, device: torch.device) -> tuple[Picture, ...]:
        """Clean the noisy examples with one more method; returns its pictures."""
        return tuple(
            self._keep(title, noise, place, model(noisy.to(device)).float().cpu())
            for place, noisy in enumerate(self._noisy[noise])
        )

    def add_again(self, noise: str, pictures: Sequence[Picture]) -> None:
        """Take up the pictures that `add` returned in an earlier process."""
        for place, picture in enumerate(pictures):
            self._pictures[noise, place].append(picture)

    def examples(self) -> tuple[Example, ...]:
        """The collected pictures, one entry per noise and image."""
        return tuple(
            Example(
                name=self._names[place],
                noise=noise,
                crop=self._crops[place],
                pictures=tuple(pictures),
            )
            for (noise, place), pictures in self._pictures.items()
        )

    def _keep(self, title: str, noise: str, place: int, wide: Tensor) -> Picture:
        clean = self._clean[place]
        shown = self._centres[place].cut_back(wide)[0].clamp(0, 1)
        left, top, side = self._crops[place]
        part = (..., slice(top, top + side), slice(left, left + side))
        picture = Picture(
            title=title,
            webp=_webp(shown),
            psnr=_finite(psnr(shown[None], clean[None])),
            crop_psnr=_finite(psnr(shown[None][part], clean[None][part])),
        )
        self._pictures[noise, place].append(picture)
        return picture


def _liveliest(picture: Tensor) -> tuple[int, int, int]:
    """Left, top and side of the square with the most contrast, a third of the picture's side."""
    height, width = picture.shape[-2:]
    side = max(min(height, width, 8), min(height, width) // 3)
    step = max(1, side // 3)
    places = [
        (left, top) for top in range(0, height - side + 1, step) for left in range(0, width - side + 1, step)
    ]
    left, top = max(places, key=lambda p: float(picture[:, p[1] : p[1] + side, p[0] : p[0] + side].var()))
    return left, top, side


def _webp(picture: Tensor) -> str:
    values = picture.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "WEBP", quality=_QUALITY, method=4)
    return base64.b64encode(buffer.getvalue()).decode()


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(value.isfinite().all()) else None
