"""Classify images under fixed noise, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from denoise_cli.data.source import Images, centre_cropped, for_classifier, resized
from denoise_cli.distributed import SINGLE_PROCESS, World
from denoise_cli.errors import DataError
from denoise_cli.evaluation.scores.scoring import BATCH, TEST_SEED, noisy_images, same_size_batches
from denoise_cli.noise.spec import NoiseSpec


@dataclass(frozen=True, slots=True)
class Classification:
    """Per-image results, in the order of the image source.

    Attributes:
        labels: (N,) true classes.
        logits: (N, K) on the CPU.
    """

    labels: Tensor
    logits: Tensor

    @property
    def predicted(self) -> Tensor:
        """(N,) the class with the largest logit."""
        return self.logits.argmax(1)

    @property
    def correct(self) -> Tensor:
        """(N,) bool."""
        return self.predicted == self.labels


def classify_images(
    model: nn.Module,
    source: Images,
    noise: Sequence[NoiseSpec],
    *,
    device: torch.device,
    seed: int = TEST_SEED,
    denoiser: nn.Module | None = None,
    world: World = SINGLE_PROCESS,
) -> Classification:
    """Classify every image of `source` under the same fixed noise as `score` draws.

    Args:
        source: Clean, labelled images.
        model, noise, seed, denoiser, world: As for `class_logits`.

    Raises:
        DataError: The images have no labels.
    """
    if source.labels is None:
        raise DataError(
            f"{source.name} has no class folders, so its images have no labels.",
            "Sort the images into one subfolder per class.",
        )
    logits = class_logits(model, source, noise, device=device, seed=seed, denoiser=denoiser, world=world)
    return Classification(source.labels, logits)


def as_trained(source: Images, side: int, resize: int | None, crop: int | None) -> Images:
    """Images prepared as those that a classifier was trained and validated on.

    Args:
        side: Of the classifier's pictures, in pixels.
        resize, crop: `data.resize` and `data.crop` of its config. Without both, a class is seen in the
            whole of a picture.
    """
    if resize is None and crop is None:
        return for_classifier(source, side)
    return centre_cropped(source if resize is None else resized(source, resize), side)


@torch.inference_mode()
def class_logits(
    model: nn.Module,
    source: Images,
    noise: Sequence[NoiseSpec],
    *,
    device: torch.device,
    seed: int = TEST_SEED,
    denoiser: nn.Module | None = None,
    world: World = SINGLE_PROCESS,
) -> Tensor:
    """The logits (N, K), on the CPU, that a classifier gives for every image.

    Args:
        model: Classifier on `device`; put in eval mode for the call.
        source: Clean images.
        noise: From `parse_noise`, drawn as by `score`; empty for clean images.
        denoiser: Cleans the noisy images first.
        world: The processes that share the work; all get all results.
    """
    was_training = model.training
    model.eval()
    rows: dict[int, Tensor] = {}
    for indices in list(same_size_batches(source, BATCH))[world.rank :: world.size]:
        x = torch.stack([source.image(i).cpu() for i in indices]).float().div_(255)
        x = noisy_images(source, x, noise, indices, seed) if noise else x
        x = x.to(device)
        if denoiser is not None:
            x = denoiser(x)
        rows.update(zip(indices, model(x).float().cpu(), strict=True))
    model.train(was_training)
    for share in world.gather(rows):
        rows.update(share)
    return torch.stack([rows[i] for i in range(len(source))])
