"""Batch normalisation folded into the convolutions before it: the same function without it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_SHORTCUT_BIAS = ".shortcut.0.bias"


def fold_batch_norm(model: nn.Module) -> dict[str, Tensor]:
    """State for the same architecture without batch norm, which computes what `model` does in eval mode.

    Each batch norm follows a convolution, whose weight takes its scale and whose bias takes its
    shift, by the running statistics. The bias of a shortcut goes to the convolution that it is
    added to, since shortcuts have none.

    Args:
        model: A denoiser or classifier with batch norm; left as it is.

    Returns:
        Float32 tensors by name, convolutions' biases of 0 included; `load_state_dict` of the
        network built with `batch_norm=False` takes them.
    """
    folded = copy.deepcopy(model).eval()
    # Inner sequences first: folding an outer one renumbers what is in it.
    for name, module in reversed(list(folded.named_modules())):
        if isinstance(module, nn.Sequential):
            folded.set_submodule(name, _folded(module))
    state = dict(folded.state_dict())
    for name, module in folded.named_modules():
        # Transposed 2x2 convolutions have their biases already.
        if isinstance(module, nn.Conv2d) and module.bias is None:
            state[f"{name}.bias"] = torch.zeros(module.out_channels)
    for key in [key for key in state if key.endswith(_SHORTCUT_BIAS)]:
        block = key.removesuffix(_SHORTCUT_BIAS)
        state[f"{block}.second.bias"] = state[f"{block}.second.bias"] + state.pop(key)
    return state


def _folded(layers: nn.Sequential) -> nn.Sequential:
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            before = kept.pop()
            assert isinstance(before, nn.Conv2d | nn.ConvTranspose2d)
            kept.append(fuse_conv_bn_eval(before, layer, transpose=isinstance(before, nn.ConvTranspose2d)))
        else:
            kept.append(layer)
    return nn.Sequential(*kept)
