"""Starting from weights: batch norm is folded away, and a guided model keeps its classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from denoise_cli.config import TrainConfig, load_config
from denoise_cli.errors import WeightsError
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.training.build import build_model
from denoise_cli.training.data import load_data
from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader

CLASSES = ("ship", "cat", "airplane")


def saved(path: Path, name: str, seed: int, kind: str = "denoiser") -> nn.Module:
    """A file of random weights whose batch norms have statistics of their own."""
    torch.manual_seed(seed)
    classes = () if name in {"unet", "cae"} else CLASSES
    architecture = WeightsHeader(kind, name, True, classes, 32, "basic")  # type: ignore[arg-type]
    model = build(architecture).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.3, 1.5)
    save_weights(path, model, architecture)
    return model


def started(folder: Path, model: str, **values: Any) -> tuple[WeightsHeader, nn.Module]:
    values = {"model": model, "data.dataset": str(folder)} | values
    config = load_config(TrainConfig, None, [], values)
    architecture, network = build_model(config, load_data(config))
    return architecture, network.eval()


@pytest.mark.parametrize("name", ["unet", "cae", "resnet_unet", "cnn_unet"])
def test_a_model_without_batch_norm_starts_where_one_with_it_ended(
    image_folder: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "start.safetensors"
    before = saved(path, name, 1)
    architecture, model = started(image_folder, name, batch_norm=False, init=str(path))
    assert not architecture.batch_norm
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(x), before(x), atol=2e-5, rtol=1e-4)


def test_a_guided_model_keeps_the_classifier_it_started_with(image_folder: Path, tmp_path: Path) -> None:
    start, other = tmp_path / "start.safetensors", tmp_path / "other.safetensors"
    before = saved(start, "resnet_unet", 1)
    classifier = saved(other, "resnet", 2, "classifier")
    assert isinstance(before, GuidedUNet)
    for values, expected in (({}, before.classifier), ({"classifier": str(other)}, classifier)):
        architecture, model = started(image_folder, "resnet_unet", init=str(start), **values)
        assert isinstance(model, GuidedUNet)
        assert architecture.classes == CLASSES
        for key, value in expected.state_dict().items():
            assert torch.equal(model.classifier.state_dict()[key], value), key
        assert torch.equal(model.unet.last.weight, before.unet.last.weight)


def test_batch_norm_is_not_made_up(image_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    architecture = WeightsHeader("denoiser", "resnet_unet", False, CLASSES, 32, "basic")
    save_weights(path, build(architecture), architecture)
    with pytest.raises(WeightsError, match="trained without batch norm"):
        started(image_folder, "resnet_unet", init=str(path))
