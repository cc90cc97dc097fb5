"""Training tasks: denoising and classifying, each with its loss and its validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoise_cli.config import ClassifyConfig, TrainConfig
from denoise_cli.data.source import Images, evenly_spaced
from denoise_cli.distributed import World
from denoise_cli.evaluation.scores.classification import classify_images
from denoise_cli.evaluation.scores.guidance_logits import guidance_logits
from denoise_cli.evaluation.scores.scoring import TEST_SEED, noisy_images, score
from denoise_cli.models.guided import true_logits
from denoise_cli.noise.spec import NoiseSpec
from denoise_cli.seeds import derive_seed
from denoise_cli.training.batches import Batch


class Task(Protocol):
    """One thing to learn."""

    metric: str
    """The validation score that picks the best weights; higher is better."""

    def loss(self, model: nn.Module, batch: Batch, step: int) -> Tensor:
        """The scalar training loss of a batch."""

    def validate(
        self, model: nn.Module, source: Images, device: torch.device, world: World
    ) -> dict[str, float]:
        """Validation scores by name, `metric` among them."""

    def samples(
        self, model: nn.Module, source: Images, device: torch.device
    ) -> Mapping[str, Sequence[Tensor]]:
        """A few pictures (3, H, W) of the images last validated on, by what they show; may be none."""


class DenoiseTask:
    """Bring the denoised picture near the clean one."""

    metric = "psnr"

    def __init__(
        self, config: TrainConfig, validation_noise: Sequence[NoiseSpec], classes: Sequence[str]
    ) -> None:
        self._kind = config.loss
        self._noise = validation_noise
        self._classes = classes
        self._samples = config.samples
        self._logits: Tensor | None = None
        self._uses_true_labels = config.guidance.source == "oracle"

    def loss(self, model: nn.Module, batch: Batch, step: int) -> Tensor:
        inputs: tuple[Tensor | None, ...] = (batch.noisy,)
        if self._uses_true_labels:
            assert batch.labels is not None
            inputs = (batch.noisy, None, true_logits(batch.labels, len(self._classes)))
        return pixel_loss(self._kind, model(*inputs).float(), batch.clean)

    def validate(
        self, model: nn.Module, source: Images, device: torch.device, world: World
    ) -> dict[str, float]:
        noise = self._noise
        self._logits = guidance_logits(model, self._classes, source, noise, device=device, world=world)
        scores = score(model, source, noise, device=device, world=world, logits=self._logits)
        return {"psnr": float(scores.psnr.mean()), "ssim": float(scores.ssim.nanmean())}

    @torch.inference_mode()
    def samples(
        self, model: nn.Module, source: Images, device: torch.device
    ) -> Mapping[str, Sequence[Tensor]]:
        """Pictures spread over the images, with the noise under which they were validated."""
        columns: dict[str, list[Tensor]] = {"noisy": [], "denoised": [], "clean": []}
        was_training = model.training
        model.eval()
        for index in evenly_spaced(len(source), self._samples):
            clean = source.image(index).cpu()[None].float().div_(255)
            noisy = noisy_images(source, clean, self._noise, [index], TEST_SEED)
            inputs = noisy.to(device, memory_format=torch.channels_last)
            extra = {} if self._logits is None else {"logits": self._logits[[index]].to(device)}
            denoised = model(inputs, **extra).float().cpu()
            for column, picture in zip(columns.values(), (noisy, denoised, clean), strict=True):
                column.append(picture[0].clamp(0, 1))
        model.train(was_training)
        return columns if columns["clean"] else {}


class ClassifyTask:
    """Name the class of a noisy picture."""

    metric = "accuracy"

    def __init__(self, config: ClassifyConfig, validation_noise: Sequence[NoiseSpec]) -> None:
        self._smoothing = config.label_smoothing
        self._mixup = config.mixup
        self._seed = config.seed
        self._noise = validation_noise

    def loss(self, model: nn.Module, batch: Batch, step: int) -> Tensor:
        labels = batch.labels
        assert labels is not None
        if not self._mixup:
            return F.cross_entropy(model(batch.noisy).float(), labels, label_smoothing=self._smoothing)
        # Mixup (Zhang et al., 2018), one weight a batch: Beta(a, a) from two Gammas.
        torch_seed = derive_seed(self._seed, step, -3)
        gammas = torch._standard_gamma(
            torch.full((2,), self._mixup), generator=torch.Generator().manual_seed(torch_seed)
        )
        weight = float(gammas[0] / gammas.sum())
        other = labels.flip(0)
        logits = model(torch.lerp(batch.noisy.flip(0), batch.noisy, weight)).float()
        return weight * F.cross_entropy(logits, labels, label_smoothing=self._smoothing) + (
            1 - weight
        ) * F.cross_entropy(logits, other, label_smoothing=self._smoothing)

    def validate(
        self, model: nn.Module, source: Images, device: torch.device, world: World
    ) -> dict[str, float]:
        result = classify_images(model, source, self._noise, device=device, world=world)
        return {"accuracy": float(result.correct.double().mean())}

    def samples(
        self, model: nn.Module, source: Images, device: torch.device
    ) -> Mapping[str, Sequence[Tensor]]:
        """None: what a classifier says of a picture is no picture."""
        return {}


def pixel_loss(kind: str, output: Tensor, target: Tensor) -> Tensor:
    """mse, l1, charbonnier (Charbonnier et al., 1994, eps 1e-3) or psnr, a scalar.

    `psnr` is the mean over pictures of 10 log10(MSE + 1e-5): the score itself, negated, so that a
    picture with little noise counts as much as one with a lot. The constant keeps the gradient of
    an almost perfect picture (50 dB) finite.
    """
    if kind == "mse":
        return F.mse_loss(output, target)
    if kind == "psnr":
        return 10 * ((output - target).square().mean(dim=(1, 2, 3)) + 1e-5).log10().mean()
    if kind == "l1":
        return F.l1_loss(output, target)
    return ((output - target).square() + 1e-6).sqrt().mean()
