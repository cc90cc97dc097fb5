"""Networks of other programs, by what the user names."""

from __future__ import annotations

from pathlib import Path

from denoise_cli.external.network import ExternalNetwork
from denoise_cli.weights.header import is_ours


def is_external(text: str) -> bool:
    """Whether a text names an ONNX file, a weight file of another program, or `package.module:factory`."""
    from denoise_cli.external.factory import is_factory
    from denoise_cli.external.published import SUFFIXES

    path = Path(text)
    if path.is_file():
        return path.suffix.lower() == ".onnx" or (path.suffix.lower() in SUFFIXES and not is_ours(path))
    return not path.exists() and is_factory(text)


def load_external(text: str) -> ExternalNetwork:
    """The network that `is_external` has recognised.

    Raises:
        WeightsError: It cannot be loaded, or is no denoiser.
    """
    path = Path(text)
    if path.suffix.lower() == ".onnx":
        from denoise_cli.external.onnx_file import load_onnx

        return load_onnx(path)
    if path.is_file():
        from denoise_cli.external.published import load_published

        return load_published(path)
    from denoise_cli.external.factory import load_factory

    return load_factory(text)
