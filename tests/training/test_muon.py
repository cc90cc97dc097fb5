"""Muon against PyTorch's optimisers, and against a singular value decomposition."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from denoise_cli.training.muon import Muon, orthogonalise
from denoise_cli.training.optim import restore_optimizer


def _losses_equal(
    ours: nn.Module, theirs: nn.Module, first: torch.optim.Optimizer, second: torch.optim.Optimizer
) -> None:
    """Five steps of both on the same data, and the same parameters after each."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        x = torch.randn(8, 48, generator=generator)
        for model, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_small_parameters_are_updated_as_adamw_does() -> None:
    ours = nn.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 3))
    theirs = copy.deepcopy(ours)
    adamw = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    _losses_equal(ours, theirs, Muon(ours.parameters(), lr=0.01, weight_decay=0.1), adamw)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has Muon since 2.9")
@pytest.mark.parametrize("shape", [(48, 64), (48, 40)])
def test_matrices_are_updated_as_by_pytorch(shape: tuple[int, int]) -> None:
    ours = nn.Linear(*shape, bias=False)
    theirs = copy.deepcopy(ours)
    reference = torch.optim.Muon(
        theirs.parameters(), lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    muon = Muon(ours.parameters(), lr=0.01, weight_decay=0.1, dtype=torch.bfloat16)
    _losses_equal(ours, theirs, muon, reference)


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 999))
def test_directions_stay_and_lengths_become_one(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    left, lengths, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.mT @ orthogonalise(matrix) @ right.mT
    grown = inside.diagonal()[lengths > 0.05 * lengths.max()]
    assert grown.min() > 0.6 and grown.max() < 1.3
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-3


def test_a_kernel_is_a_matrix_of_its_outputs() -> None:
    kernel = nn.Parameter(torch.randn(32, 40, 3, 3))
    flat = nn.Parameter(kernel.detach().flatten(1).clone())
    gradient = torch.randn(32, 40, 3, 3)
    kernel.grad, flat.grad = gradient, gradient.flatten(1)
    for parameter in (kernel, flat):
        Muon([parameter], lr=0.1).step()
    torch.testing.assert_close(kernel.detach().flatten(1), flat.detach())


def test_it_goes_on_from_its_state_as_if_never_stopped() -> None:
    model = nn.Sequential(nn.Linear(48, 40), nn.Linear(40, 3))
    other = copy.deepcopy(model)
    whole, first = (Muon(each.parameters(), lr=0.01, weight_decay=0.1) for each in (model, other))
    _losses_equal(model, other, whole, first)
    second = Muon(other.parameters(), lr=0.01, weight_decay=0.1)
    restore_optimizer(second, copy.deepcopy(first.state_dict()))
    _losses_equal(model, other, whole, second)


def test_nothing_changes_without_a_gradient() -> None:
    kernel, zero = nn.Parameter(torch.ones(32, 32)), nn.Parameter(torch.ones(32, 32))
    zero.grad = torch.zeros(32, 32)
    Muon([kernel, zero], lr=0.1).step()
    assert torch.equal(kernel, torch.ones(32, 32)) and torch.equal(zero, torch.ones(32, 32))
