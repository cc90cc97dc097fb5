"""Prepare the bundled `photo_unet` for `--runtime int8`: write the steps of 8 bits into its file.

    python scripts/eight_bits.py --data DATA

No weight changes. Of each residual block below 1/2 resolution, what its convolutions take and what it adds
is rounded to whole numbers times a step, which follows from the values on noisy crops of DATA/bsds432. The
blocks at 1/2 resolution hold the finest of the picture: rounded, the last of them alone cost 0.06 dB at
sigma 15 and 0.14 dB at sigma 50, all below nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from denoise_cli.data.load import load_dataset
from denoise_cli.files import sha256, write_atomic
from denoise_cli.models.photo_unet.network import PhotoUNet, ResidualBlock
from denoise_cli.weights.card import read_card
from denoise_cli.weights.files import load_weights, save_weights
from denoise_cli.weights.store import find_bundled

# Values beyond the steps' range are cut off: one in so many.
_CUT_OFF = 1e-5
_SIGMAS = (0, 10, 25, 50)  # of 255
_CROPS, _SIDE = 64, 128


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the training images")
    path = find_bundled("photo_unet", batch_norm=False)
    architecture, model = load_weights(path)
    assert isinstance(model, PhotoUNet)
    steps = find_steps(model, noisy_crops(parser.parse_args().data))
    card = read_card(path.with_suffix(".json"))
    save_weights(path, model, architecture, half=True, steps=steps)
    card = card.model_copy(update={"sha256": sha256(path)})
    write_atomic(path.with_suffix(".json"), card.to_json().encode())


def noisy_crops(data: Path) -> Tensor:
    """Crops from the middle of training pictures, from clean to very noisy (B, 3, S, S)."""
    source = load_dataset(str(data / "bsds432"), "train", limit=_CROPS)
    crops = []
    for index in range(len(source)):
        picture = source.image(index).float() / 255
        top, left = ((side - _SIDE) // 2 for side in picture.shape[1:])
        crops.append(picture[:, top : top + _SIDE, left : left + _SIDE])
    clean = torch.stack(crops)
    sigma = torch.tensor(_SIGMAS).repeat(len(clean))[: len(clean), None, None, None] / 255
    return clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def find_steps(model: PhotoUNet, noisy: Tensor) -> dict[str, float]:
    """Steps as `models.photo_unet.graph` takes them, so that nearly all values are within 8 bits."""
    steps = {}
    handles = []

    def note(name: str, values: Tensor, largest: int) -> None:
        sizes = values.abs().flatten()
        within = max(1, round((1 - _CUT_OFF) * sizes.numel()))
        # At least something, where a layer puts out nothing.
        steps[name] = max(float(sizes.kthvalue(within).values) / largest, 1e-6)

    for name, block in _blocks_below(model):
        for key, layer, largest in (
            (f"{name}.first", block.first, 127),
            (f"{name}.second", block.second, 255),  # after a ReLU: without a sign
        ):
            handles.append(
                layer.register_forward_pre_hook(
                    lambda _, inputs, key=key, largest=largest: note(key, inputs[0], largest)
                )
            )
        handles.append(
            block.second.register_forward_hook(lambda _, __, output, name=name: note(name, output, 127))
        )
    model(noisy)
    for handle in handles:
        handle.remove()
    return steps


def _blocks_below(model: PhotoUNet) -> Iterator[tuple[str, ResidualBlock]]:
    """All residual blocks but those at 1/2 resolution, by name."""
    finest = [*model.encoder[0].modules(), *model.decoder[-1].modules()]
    for name, module in model.named_modules():
        if isinstance(module, ResidualBlock) and not any(module is each for each in finest):
            yield name, module


if __name__ == "__main__":
    main()
