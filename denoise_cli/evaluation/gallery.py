"""Example pictures of a comparison, kept in its results so that reports are drawn without a model."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor, nn

from denoise_cli.data.source import Images
from denoise_cli.evaluation.results import Example, Picture
from denoise_cli.evaluation.scoring import noisy_images
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
        self._source = source
        self._chosen = [(2 * i + 1) * len(source) // (2 * count) for i in range(count)]
        self._noisy: dict[str, list[Tensor]] = {}
        self._pictures: dict[tuple[str, int], list[Picture]] = {}
        self._crops = [_liveliest(_window(self._clean(index))) for index in self._chosen]
        for noise in noises:
            specs = parse_noise(noise)
            self._noisy[noise] = [
                noisy_images(source, self._clean(index)[None], specs, [index], seed, grey=grey)
                for index in self._chosen
            ]
            for place, noisy in enumerate(self._noisy[noise]):
                clean = _window(self._clean(self._chosen[place]))
                self._pictures[noise, place] = [
                    Picture(title="original", webp=_webp(clean), psnr=None, crop_psnr=None)
                ]
                self._keep("noisy", noise, place, noisy[0])

    @torch.inference_mode()
    def add(self, title: str, noise: str, model: nn.Module, device: torch.device) -> None:
        """Clean the noisy examples with one more method."""
        for place, noisy in enumerate(self._noisy[noise]):
            self._keep(title, noise, place, model(noisy.to(device))[0].float().cpu())

    def examples(self) -> tuple[Example, ...]:
        """What was collected, one entry per noise and image."""
        return tuple(
            Example(
                name=self._source.names[self._chosen[place]],
                noise=noise,
                crop=self._crops[place],
                pictures=tuple(pictures),
            )
            for (noise, place), pictures in self._pictures.items()
        )

    def _clean(self, index: int) -> Tensor:
        return self._source.image(index).cpu().float() / 255

    def _keep(self, title: str, noise: str, place: int, picture: Tensor) -> None:
        clean = _window(self._clean(self._chosen[place]))
        shown = _window(picture).clamp(0, 1)
        left, top, side = self._crops[place]
        part = (..., slice(top, top + side), slice(left, left + side))
        self._pictures[noise, place].append(
            Picture(
                title=title,
                webp=_webp(shown),
                psnr=_finite(psnr(shown[None], clean[None])),
                crop_psnr=_finite(psnr(shown[None][part], clean[None][part])),
            )
        )


def _window(picture: Tensor) -> Tensor:
    """The central part of a picture (3, H, W) that is shown."""
    height, width = picture.shape[-2:]
    top, left = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
    return picture[:, top : top + SIDE, left : left + SIDE]


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
