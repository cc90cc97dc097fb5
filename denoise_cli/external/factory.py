"""A denoiser that a function or class of an installed module makes: `package.module:factory`."""

from __future__ import annotations

import hashlib
import re
import sys
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from denoise_cli.errors import WeightsError
from denoise_cli.external.network import AnyPicture, ExternalNetwork

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_factory(text: str) -> bool:
    """Whether a text is of the form `package.module:factory`."""
    return _NAME.fullmatch(text) is not None


def load_factory(text: str) -> ExternalNetwork:
    """Call a factory without arguments; it gives an `nn.Module` from (B, 3, H, W) in [0, 1] to the same.

    It runs the code of the module, as `import` does. Modules beside the present folder are found.

    Raises:
        WeightsError: It cannot be imported, fails, or gives something else.
    """
    module_name, _, attribute = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        made = import_module(module_name)
        for part in attribute.split("."):
            made = getattr(made, part)
        network = made() if callable(made) else made
    except Exception as error:  # The code of another package may fail in any way.
        raise WeightsError(f"{text} makes no network: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise WeightsError(
            f"{text} gives a {type(network).__name__}, not a torch.nn.Module.",
            "Name a function without arguments, or a class, that gives one.",
        )
    multiple = getattr(network, "size_multiple", 1)
    return ExternalNetwork(
        name=text,
        module=AnyPicture(network.eval(), multiple=multiple if isinstance(multiple, int) else 1),
        sha256=digest_of(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        kind="module",
    )


def digest_of(network: nn.Module) -> str:
    """SHA-256 of the names and values of a network's state."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        if isinstance(value, torch.Tensor):
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
