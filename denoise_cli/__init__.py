"""Remove noise from images with neural networks.

>>> from denoise_cli import denoise, load_model
>>> clean = denoise(noisy, load_model("unet"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from denoise_cli.experiments import compare, evaluate, export, train
    from denoise_cli.metrics import psnr, ssim
    from denoise_cli.photo.denoise_array import denoise
    from denoise_cli.photo.runtimes.load import load_photo_denoiser as load_model

    __version__: str

__all__ = [
    "__version__",
    "compare",
    "denoise",
    "evaluate",
    "export",
    "load_model",
    "psnr",
    "ssim",
    "train",
]

_HOMES = {
    "denoise": ("denoise_cli.photo.denoise_array", "denoise"),
    "load_model": ("denoise_cli.photo.runtimes.load", "load_photo_denoiser"),
    **dict.fromkeys(("compare", "evaluate", "export", "train"), ("denoise_cli.experiments", "")),
    "psnr": ("denoise_cli.metrics", "psnr"),
    "ssim": ("denoise_cli.metrics", "ssim"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import denoise_cli` costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("denoise-cli")
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
