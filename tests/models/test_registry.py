"""Facts of the registry against torch's own counter."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from denoise_cli.errors import UnknownName
from denoise_cli.models import (
    CLASSIFIERS,
    DENOISERS,
    ModelInfo,
    build_classifier,
    build_denoiser,
    denoiser_info,
)
from denoise_cli.models.guided import GuidedUNet


@pytest.mark.parametrize("info", [*DENOISERS.values(), *CLASSIFIERS.values()], ids=lambda i: i.kind + i.name)
def test_operations_per_megapixel(info: ModelInfo) -> None:
    model = (build_denoiser if info.kind == "denoiser" else build_classifier)(info.name).eval()
    x = torch.rand(1, 3, 96, 96)
    inputs = (x, torch.rand(1, 32, 12, 12)) if isinstance(model, GuidedUNet) else (x,)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    measured = counter.get_total_flops() / 1e9 / (96 * 96 / 1e6)
    assert info.gflop_per_megapixel == pytest.approx(measured, rel=0.01)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'resnet_unet'"):
        denoiser_info("resnet-unett")
    assert denoiser_info("ResNet-UNet").name == "resnet_unet"
