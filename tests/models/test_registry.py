"""Facts of the registry against torch's own counter."""

from __future__ import annotations

import subprocess
import sys

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


@pytest.mark.parametrize("info", DENOISERS.values(), ids=lambda i: i.name)
def test_the_network_pads_to_the_multiple_that_the_registry_names(info: ModelInfo) -> None:
    assert info.load_network().size_multiple == info.size_multiple


def test_registry_and_graphs_import_no_torch() -> None:
    program = (
        "import sys\n"
        "from denoise_cli.models.registry import CLASSIFIERS, DENOISERS\n"
        "infos = [*DENOISERS.values(), *CLASSIFIERS.values()]\n"
        "assert 'numpy' not in sys.modules\n"
        "assert all(callable(info.load_graph()) for info in infos)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'resnet_unet'"):
        denoiser_info("resnet-unett")
    assert denoiser_info("ResNet-UNet").name == "resnet_unet"
