"""Training goes on where `torch.compile` does not work."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from denoise_cli.config import TrainConfig
from denoise_cli.distributed import SINGLE_PROCESS
from denoise_cli.training.parallel import WrappedModel

CPU = torch.device("cpu")


def wrapped(model: nn.Module, choice: str, notes: list[str], steps: int = 5) -> WrappedModel:
    config = TrainConfig.model_validate({"model": "cae", "compile": choice})
    return WrappedModel(model, config, CPU, SINGLE_PROCESS, steps, notes.append)


def test_without_a_compiler_the_plain_model_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # An installation that lacks what generates the code.
    monkeypatch.setitem(sys.modules, "torch._inductor.compile_fx", None)
    torch.manual_seed(0)
    model, notes = nn.Sequential(nn.Linear(3, 4), nn.Tanh()), list[str]()
    compiled, x = wrapped(model, "on", notes), torch.rand(2, 3)
    for _ in range(2):
        output = compiled(x)
        torch.testing.assert_close(output, model(x), atol=0, rtol=0)
    output.mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(notes) == 1
    assert notes[0].startswith("torch.compile does not work here (")
    assert notes[0].endswith("); going on without it.")


def test_the_models_own_error_is_not_taken_for_the_compilers() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("five channels")

    notes: list[str] = []
    with pytest.raises(ValueError, match="five channels"):
        wrapped(Broken(), "on", notes)(torch.rand(1))


def test_a_cpu_compiles_only_when_told_to() -> None:
    model = nn.Identity()
    for choice, expected in (("auto", False), ("off", False), ("on", True)):
        assert (wrapped(model, choice, [], steps=10**6)._call is not model) == expected
