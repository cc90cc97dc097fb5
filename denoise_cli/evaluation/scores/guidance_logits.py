"""Guidance logits for test images that cannot be computed from the image itself (oracle and shuffled)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from denoise_cli.data.source import Images
from denoise_cli.distributed import SINGLE_PROCESS, World
from denoise_cli.errors import DataError
from denoise_cli.evaluation.scores.classification import class_logits
from denoise_cli.evaluation.scores.scoring import TEST_SEED
from denoise_cli.models.guided import GuidedUNet, true_logits
from denoise_cli.noise.spec import NoiseSpec
from denoise_cli.seeds import derive_seed

AnyImages = TypeVar("AnyImages", bound=Images)
_ORACLE = "`oracle` guidance tells the network the true class of each image"
_HINT = "Sort the images into one folder per class, or use another guidance."


def guidance_logits(
    model: nn.Module,
    classes: Sequence[str],
    source: Images,
    noise: Sequence[NoiseSpec],
    *,
    device: torch.device,
    seed: int = TEST_SEED,
    world: World = SINGLE_PROCESS,
) -> Tensor | None:
    """Logits (N, K), on the CPU, for `score`; None if the model computes its own.

    `oracle` takes the true classes, `shuffled` the classifier's logits of another noisy image: the
    next one in a random cycle of all images.

    Args:
        model: Denoiser on `device`.
        classes: Of the model's classifier.
        source, noise, seed, world: As for `score`.

    Raises:
        DataError: The images have no labels, or none that the classifier knows.
    """
    if not isinstance(model, GuidedUNet):
        return None
    if model.source == "oracle":
        labels = true_classes(source, classes).labels
        assert labels is not None
        return true_logits(labels, len(classes))
    if model.source == "shuffled":
        seen = class_logits(model.classifier, source, noise, device=device, seed=seed, world=world)
        return seen[derangement(source, seed)]
    return None


def true_classes(source: AnyImages, classes: Sequence[str]) -> AnyImages:
    """The images with their labels numbered as in `classes`.

    Raises:
        DataError: They have no labels, or labels that are not in `classes`.
    """
    if source.labels is None:
        raise DataError(f"{_ORACLE}, but {source.name} has no labels.", _HINT)
    unknown = [name for name in source.classes if name not in classes]
    if unknown:
        raise DataError(
            f"{_ORACLE}, but {source.name} has {len(source.classes)} classes and the classifier "
            f"{len(classes)}; it does not know {', '.join(unknown)}.",
            f"It knows {', '.join(classes)}; use images of these classes, or another classifier.",
        )
    return source.with_classes(classes)


def derangement(source: Images, seed: int) -> Tensor:
    """A random cyclic permutation of the images: each image gets the index of another one.

    Raises:
        DataError: There is only one image.
    """
    if len(source) < 2:
        raise DataError(
            f"`shuffled` guidance tells the network of another image, but {source.name} has only one."
        )
    circle = torch.randperm(len(source), generator=torch.Generator().manual_seed(derive_seed(seed, -4)))
    other = torch.empty_like(circle)
    other[circle] = circle.roll(-1)
    return other
