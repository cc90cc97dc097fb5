"""Benchmarks by the field's protocols: unclipped Gaussian noise, and camera noise (`--benchmark`)."""

from __future__ import annotations

from torch import Tensor, nn

from denoise_cli.data.source import Images
from denoise_cli.errors import DataError, counted

_SCORES = "outputs are rounded to 8 bits; PSNR over whole images, no border left out; mean over images."
RULES = {
    "awgn": f"Benchmark: Gaussian noise that is neither clipped nor quantised; {_SCORES}",
    "real": f"Benchmark: noisy pictures as the camera gave them, other exposure included; {_SCORES}",
}


class Rounded(nn.Module):
    """A denoiser whose output is rounded to 8 bits, and to one grey channel for grey images."""

    def __init__(self, model: nn.Module, *, grey: bool) -> None:
        super().__init__()
        self._model, self._grey = model, grey
        # Restoring the mode of this wrapper then restores the mode of the model.
        self.train(model.training)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._model(x).float()
        if self._grey:
            y = y.mean(1, keepdim=True).expand_as(x)
        return y.clamp(0, 1).mul(255).round().div(255)


def count_grey(source: Images) -> int:
    """How many images have equal channels."""
    return sum(is_grey(source.image(index)) for index in range(len(source)))


def is_grey(image: Tensor) -> bool:
    """Whether the channels of an image (3, H, W) are equal."""
    return bool((image[0] == image[1]).all()) and bool((image[0] == image[2]).all())


def check_one_kind(source: Images) -> bool:
    """Whether the images are grey; raises `DataError` where only some are."""
    grey = count_grey(source)
    if grey not in {0, len(source)}:
        raise DataError(
            f"{source.name} mixes {counted(grey, 'grey image')} with "
            f"{counted(len(source) - grey, 'colour image')}, whose noise is not the same task.",
            "Put them into two folders and score each by itself.",
        )
    return grey > 0
