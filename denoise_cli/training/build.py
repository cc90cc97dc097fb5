"""The network and the task of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from denoise_cli.config import ClassifyConfig, RunConfig, TrainConfig
from denoise_cli.errors import DataError, WeightsError
from denoise_cli.models import build_denoiser, classifier_info, denoiser_info
from denoise_cli.models.folding import fold_batch_norm
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.models.registry import unguided
from denoise_cli.noise.spec import parse_noise
from denoise_cli.training.data import Data
from denoise_cli.training.tasks import ClassifyTask, DenoiseTask, Task
from denoise_cli.weights.files import build, load_classifier, load_weights, read_state
from denoise_cli.weights.header import WeightsHeader, read_header
from denoise_cli.weights.store import find_classifier, find_weights


def build_task(config: RunConfig, architecture: WeightsHeader) -> Task:
    """The task of a config, for a network of this architecture."""
    name = config.scoring_noise
    if isinstance(config, ClassifyConfig):
        return ClassifyTask(config, parse_noise(name))
    assert isinstance(config, TrainConfig)
    return DenoiseTask(config, parse_noise(name), architecture.classes)


def build_model(config: RunConfig, data: Data) -> tuple[WeightsHeader, nn.Module]:
    """The network to train, from the config's seed or its `init` weights."""
    torch.manual_seed(config.seed)
    if isinstance(config, ClassifyConfig):
        architecture = _classifier_architecture(config, data)
        model = build(architecture)
    else:
        assert isinstance(config, TrainConfig)
        architecture, model = _denoiser(config, data)
    if config.init is not None:
        _take_over(model, _initial_state(find_weights(config.init), architecture), config.init)
    return architecture, model


def _initial_state(path: Path, architecture: WeightsHeader) -> dict[str, Tensor]:
    """The tensors of a file to start from, batch norm folded where the model to train has none."""
    if read_header(path).batch_norm and not architecture.batch_norm:
        return fold_batch_norm(load_weights(path)[1])
    return read_state(path)[1]


def _denoiser(config: TrainConfig, data: Data) -> tuple[WeightsHeader, nn.Module]:
    guide = denoiser_info(config.model).classifier
    if guide is None:
        architecture = WeightsHeader("denoiser", config.model, config.batch_norm, noise=config.noise)
        return architecture, build(architecture)
    classes = data.streams[0].source.classes if not config.data.mix else ()
    found, state = _classifier_state(config, guide, classes)
    architecture = WeightsHeader(
        "denoiser",
        config.model,
        config.batch_norm,
        found.classes,
        found.image_size,
        config.noise,
        config.guidance.source,
        config.guidance.injection,
    )
    model = build(architecture)
    assert isinstance(model, GuidedUNet)
    model.classifier.load_state_dict(state)
    # Whatever the guidance, runs of one seed begin as the same plain U-Net, to be compared in pairs.
    torch.manual_seed(config.seed)
    plain = build_denoiser(unguided(config.model), batch_norm=config.batch_norm)
    _take_over(model, plain.state_dict(), unguided(config.model))
    return architecture, model


def _classifier_state(
    config: TrainConfig, kind: str, classes: Sequence[str]
) -> tuple[WeightsHeader, dict[str, Tensor]]:
    """The guiding classifier: the one named, else the one in `init`, else the bundled one."""
    given, batch_norm = config.classifier, config.batch_norm
    if given is None and config.init is not None:
        start = read_header(find_weights(config.init))
        if start.kind == "denoiser" and denoiser_info(start.name).classifier == kind:
            given, batch_norm = config.init, batch_norm or start.batch_norm
    found, classifier = load_classifier(find_classifier(kind, batch_norm, classes, given))
    if found.batch_norm and not config.batch_norm:
        return found, fold_batch_norm(classifier)
    return found, classifier.state_dict()


def _classifier_architecture(config: ClassifyConfig, data: Data) -> WeightsHeader:
    source = data.streams[0].source
    size = data.streams[0].crop
    if size % 8:
        raise DataError(
            f"Classifiers need images whose side is a multiple of 8, not {size} pixels.",
            f"Train on crops: --set data.crop={size // 8 * 8}" if size > 8 else "Take larger images.",
        )
    name = classifier_info(config.model).name
    return WeightsHeader("classifier", name, config.batch_norm, source.classes, size, config.noise)


def _take_over(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Copy what fits of `state` into `model`, but for the classifier that guides it.

    A plain U-Net's layers also start a guided one's: where a guided layer takes more input
    channels, the extra ones begin at zero, so that guidance starts without effect.
    """
    own = model.state_dict()
    taken = 0
    for key, value in state.items():
        if key.startswith("classifier."):
            continue
        target = own.get(key, own.get(f"unet.{key}"))
        if target is None or target.shape[:1] != value.shape[:1] or target.dim() != value.dim():
            continue
        if target.shape == value.shape:
            target.copy_(value)
        elif target.dim() == 4 and target.shape[1] > value.shape[1] and target.shape[2:] == value.shape[2:]:
            target.zero_()
            target[:, : value.shape[1]] = value
        else:
            continue
        taken += 1
    if not taken:
        raise WeightsError(
            f"No layer of {name} fits this model.", "Leave `init` out, or name weights of the same model."
        )
