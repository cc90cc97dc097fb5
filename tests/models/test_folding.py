"""A network with its batch norm folded computes what it did with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from denoise_cli.models import build_classifier, build_denoiser
from denoise_cli.models.folding import fold_batch_norm
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS


def with_statistics(model: nn.Module) -> nn.Module:
    """The model with batch norms as after a training: scales, shifts and statistics of their own."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.3)
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.2, 2)
    return model.eval()


@pytest.mark.parametrize("name", [name for name, info in DENOISERS.items() if info.batch_norm])
def test_denoisers(name: str) -> None:
    model = with_statistics(build_denoiser(name, batch_norm=True))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = build_denoiser(name, batch_norm=False)
    plain.load_state_dict(fold_batch_norm(model))
    x = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        expected = model(x)
        assert float(expected.std()) > 0.01
        torch.testing.assert_close(plain.eval()(x), expected, atol=2e-5, rtol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_classifiers(name: str) -> None:
    model = with_statistics(build_classifier(name, batch_norm=True, image_size=32))
    plain = build_classifier(name, batch_norm=False, image_size=32)
    plain.load_state_dict(fold_batch_norm(model))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(x), model(x), atol=1e-3, rtol=1e-3)
