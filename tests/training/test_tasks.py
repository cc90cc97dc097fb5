"""What classifiers minimise, against numpy: mixup and label smoothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import beta, kstest
from torch import Tensor, nn

from denoise_cli.config import ClassifyConfig
from denoise_cli.training.batches import Batch
from denoise_cli.training.tasks import ClassifyTask

Doubles = NDArray[np.float64]
CLASSES = 5


class Watched(nn.Module):
    """A linear classifier of the mean colour; keeps the pictures that it was given last."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.detach().numpy().astype(np.float64)
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits

    def logits(self) -> Doubles:
        """The same in numpy."""
        weight, bias = (value.detach().numpy().astype(np.float64) for value in self.linear.parameters())
        return np.asarray(self.seen.mean((2, 3)) @ weight.T + bias)


def make_batch(count: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(1)
    clean, noisy = (torch.rand(count, 3, 4, 4, generator=generator) for _ in range(2))
    return Batch(noisy=noisy, clean=clean, labels=torch.arange(count) % CLASSES)


def make_task(**fields: float) -> ClassifyTask:
    return ClassifyTask(ClassifyConfig(model="cnn", seed=3, **fields), ())


def smoothed_cross_entropy(logits: Doubles, targets: Doubles, smoothing: float) -> float:
    """Mean over pictures of -sum q log p, with q = (1 - s) target + s / classes (Szegedy et al., 2016)."""
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    q = (1 - smoothing) * targets + smoothing / CLASSES
    return float(-(q * log_p).sum(1).mean())


def weight_of(batch: Batch, model: Watched) -> float:
    """The share of the first picture of each pair in what the model was given, by least squares."""
    first = batch.noisy.numpy().astype(np.float64)
    other = first[::-1]
    difference = (first - other).ravel()
    return float((model.seen - other).ravel() @ difference / (difference @ difference))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_the_loss_is_the_cross_entropy_with_mixed_and_smoothed_targets(
    smoothing: float, alpha: float
) -> None:
    batch, model, task = make_batch(), Watched(), make_task(mixup=alpha, label_smoothing=smoothing)
    assert batch.labels is not None
    for step in range(8):
        loss = task.loss(model, batch, step)
        weight = weight_of(batch, model)
        assert -1e-6 <= weight <= 1 + 1e-6
        assert alpha or weight == pytest.approx(1)
        first = batch.noisy.numpy()
        np.testing.assert_allclose(model.seen, weight * first + (1 - weight) * first[::-1], atol=1e-6)
        one_hot = np.eye(CLASSES)[batch.labels.numpy()]
        targets = weight * one_hot + (1 - weight) * one_hot[::-1]
        expected = smoothed_cross_entropy(model.logits(), targets, smoothing)
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_weight_of_mixup_is_drawn_from_a_beta_distribution(alpha: float) -> None:
    """Zhang et al. (2018): Beta(alpha, alpha); each step has its own weight, the same when it is repeated."""
    batch, model, task = make_batch(), Watched(), make_task(mixup=alpha)

    def draw(step: int) -> float:
        task.loss(model, batch, step)
        return weight_of(batch, model)

    weights = [draw(step) for step in range(400)]
    assert [draw(step) for step in range(20)] == weights[:20]
    assert len(set(weights)) > 350
    assert kstest(np.clip(weights, 0, 1), beta(alpha, alpha).cdf).pvalue > 0.01
