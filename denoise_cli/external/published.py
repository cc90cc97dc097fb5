"""Published weights, read by spandrel (`pip install 'denoise-cli[published]'`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoise_cli.errors import WeightsError
from denoise_cli.external.ffdnet import FFDNet, is_ffdnet
from denoise_cli.external.network import AnyPicture, ExternalNetwork, SigmaConditioned
from denoise_cli.files import sha256

SUFFIXES = frozenset({".pth", ".pt", ".ckpt", ".safetensors"})
# Entries under which training programs keep the weights, the averaged ones first.
_KEPT_AS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
# Architectures whose forward pass takes the noise level as a further channel.
_WITH_SIGMA = {"DRUNet", "FDnCNN"}


def load_published(path: Path) -> ExternalNetwork:
    """A denoiser from a weight file of another program, in eval mode.

    Pickles are read with `weights_only=True`, which builds tensors and plain values only.

    Raises:
        WeightsError: It cannot be read, is of no known architecture, or is no denoiser.
    """
    state = _read_state(path)
    if is_ffdnet(state):
        ffdnet = FFDNet(state).eval()
        module: nn.Module = AnyPicture(SigmaConditioned(ffdnet, ffdnet), channels=ffdnet.channels, multiple=2)
        return _network(path, module, ffdnet, "FFDNet")
    descriptor = _describe(path, state)
    network: nn.Module = descriptor.model.eval()
    kind = descriptor.architecture.id
    if "FDnCNN" in descriptor.tags:
        kind = "FDnCNN"
    runs: nn.Module = _Described(descriptor)
    if kind in _WITH_SIGMA:
        runs = SigmaConditioned(lambda x, sigma: network(torch.cat([x, sigma], 1)), network)
    size = descriptor.size_requirements
    module = AnyPicture(
        runs,
        channels=descriptor.input_channels,
        multiple=size.multiple_of,
        minimum=max(1, size.minimum),
        square=size.square,
    )
    return _network(path, module, network, kind)


class _Described(nn.Module):
    """Calls a network as spandrel knows that it is called; the result is clipped to [0, 1]."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network = descriptor.model
        self._descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self._descriptor(x)
        return result


def _network(path: Path, module: nn.Module, network: nn.Module, kind: str) -> ExternalNetwork:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return ExternalNetwork(path.stem, module.eval(), sha256(path), parameters, kind)


def _describe(path: Path, state: dict[str, Tensor]) -> Any:
    """Spandrel's description of a denoiser; raises `WeightsError` where there is none."""
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise WeightsError(
            f"{path} is not a weight file of this program; published networks need the package spandrel.",
            "Install it: pip install spandrel",
        ) from error
    try:
        descriptor = ModelLoader(device="cpu").load_from_state_dict(state)
    except UnsupportedModelError as error:
        raise WeightsError(
            f"{path} holds weights of no architecture that spandrel knows.",
            "Give a function that makes the network instead: --weights package.module:factory",
        ) from error
    except Exception as error:  # Weights that do not fit fail in any way.
        raise WeightsError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(descriptor, ImageModelDescriptor) or descriptor.scale != 1:
        raise WeightsError(f"{path} holds a {descriptor.architecture.id} that is no denoiser.")
    if descriptor.input_channels not in {1, 3} or descriptor.output_channels != descriptor.input_channels:
        raise WeightsError(
            f"{path} holds a {descriptor.architecture.id} from {descriptor.input_channels} to "
            f"{descriptor.output_channels} channels; grey and RGB are taken."
        )
    return descriptor


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged files fail in any way.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} cannot be read as tensors alone, and no pickle's code is run: {reason}",
            "Take the weights as a .safetensors file, from where you trust.",
        ) from error
    for key in _KEPT_AS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no weights by name.")
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise WeightsError(f"{path} is damaged: {name!r} holds values that are not finite.")
    return {name.removeprefix("module."): value for name, value in state.items()}
