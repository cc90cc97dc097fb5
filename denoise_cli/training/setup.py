"""From a config to the pieces that the trainer works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from denoise_cli.config import ClassifyConfig, DataConfig, TrainConfig
from denoise_cli.data.classes import CLASSES
from denoise_cli.data.load import load_dataset
from denoise_cli.data.source import ImageSource, resized
from denoise_cli.errors import DataError, WeightsError
from denoise_cli.models import classifier_info, denoiser_info
from denoise_cli.noise.spec import parse_noise
from denoise_cli.seeds import derive_seed
from denoise_cli.training.batches import Stream
from denoise_cli.training.tasks import ClassifyTask, DenoiseTask, Task
from denoise_cli.weights.files import Architecture, load_weights, read_state
from denoise_cli.weights.store import find_classifier, find_weights

DEFAULT_CROP = 96

RunConfig = TrainConfig | ClassifyConfig


@dataclass(frozen=True, slots=True)
class Data:
    """Training streams, validation images and what was skipped."""

    streams: tuple[Stream, ...]
    validation: ImageSource
    held_out: bool

    @property
    def images(self) -> int:
        """Number of training images."""
        return sum(len(stream.source) for stream in self.streams)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be read."""
        return tuple(name for stream in self.streams for name in stream.source.skipped)


def load_data(config: RunConfig) -> Data:
    """Load the training and validation images of a config."""
    data = config.data
    labelled = isinstance(config, ClassifyConfig)
    if data.mix:
        wanted = [(item.dataset, item.crop, item.rescale, item.weight) for item in data.mix]
    else:
        wanted = [(data.dataset, data.crop, 1.0, 1.0)]
    streams, validation = [], []
    for number, (dataset, crop, rescale, weight) in enumerate(wanted):
        source = load_dataset(dataset, "train", data_dir=data.data_dir, limit=data.limit)
        source = _labelled(source, data, config.model) if labelled else source
        source = source if data.resize is None else resized(source, data.resize)
        if crop is None:
            size = source.uniform_size
            crop = size[0] if size and size[0] == size[1] else DEFAULT_CROP
        if data.holdout:
            source, held = _hold_out(source, data.holdout, derive_seed(config.seed, number))
        else:
            held = load_dataset(dataset, "test", data_dir=data.data_dir)
            held = _labelled(held, data, config.model) if labelled else held
            held = held if data.resize is None else resized(held, data.resize)
        streams.append(Stream(source, crop, rescale, weight))
        validation.append(_centre_crops(held, crop, data.validation_limit // len(wanted)))
    return Data(tuple(streams), _concatenate(validation), held_out=data.holdout > 0)


def build_task(config: RunConfig) -> Task:
    """The task of a config; a mixture of noises is validated on `basic` unless told otherwise."""
    name = config.validate_noise
    if name is None:
        mixed = "+" in config.noise or "-" in config.noise or config.noise == "blind"
        name = "basic" if mixed else config.noise
    if isinstance(config, ClassifyConfig):
        return ClassifyTask(config, parse_noise(name))
    return DenoiseTask(config, parse_noise(name))


def build_model(config: RunConfig, data: Data) -> tuple[Architecture, nn.Module]:
    """The network to train, from the config's seed or its `init` weights."""
    torch.manual_seed(config.seed)
    if isinstance(config, ClassifyConfig):
        architecture = _classifier_architecture(config, data)
        model = architecture.build()
    else:
        architecture, model = _denoiser(config, data)
    if config.init is not None:
        _take_over(model, read_state(find_weights(config.init))[1], config.init)
    return architecture, model


def _denoiser(config: TrainConfig, data: Data) -> tuple[Architecture, nn.Module]:
    guide = denoiser_info(config.model).classifier
    if guide is None:
        architecture = Architecture("denoiser", config.model, config.batch_norm, noise=config.noise)
        return architecture, architecture.build()
    classes = data.streams[0].source.classes if not config.data.mix else ()
    path = find_classifier(guide, config.batch_norm, classes, config.classifier)
    found, classifier = load_weights(path)
    if found.kind == "denoiser":
        # A guided denoiser's file holds its classifier.
        classifier = classifier.classifier  # type: ignore[assignment]
    if config.classifier is not None and found.batch_norm != config.batch_norm:
        raise WeightsError(
            f"{config.classifier} was trained {'with' if found.batch_norm else 'without'} batch norm; "
            "a guided model and its classifier have the same setting."
        )
    architecture = Architecture(
        "denoiser", config.model, config.batch_norm, found.classes, found.image_size, config.noise
    )
    model = architecture.build()
    model.classifier.load_state_dict(classifier.state_dict())  # type: ignore[union-attr]
    return architecture, model


def _classifier_architecture(config: ClassifyConfig, data: Data) -> Architecture:
    source = data.streams[0].source
    size = data.streams[0].crop
    if size % 8:
        raise DataError(f"Classifiers need images whose side is a multiple of 8, not {size} pixels.")
    name = classifier_info(config.model).name
    return Architecture("classifier", name, config.batch_norm, source.classes, size, config.noise)


def _take_over(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Copy what fits of `state` into `model`.

    A plain U-Net's layers also start a guided one's: where a guided layer takes more input
    channels, the extra ones begin at zero, so that guidance starts without effect.
    """
    own = model.state_dict()
    taken = 0
    for key, value in state.items():
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
        raise WeightsError(f"No layer of {name} fits this model.")


def _labelled(source: ImageSource, data: DataConfig, model: str) -> ImageSource:
    if source.labels is None:
        raise DataError(
            f"{source.name} has no class folders, so it cannot train the classifier {model!r}.",
            "Sort the images into one subfolder per class.",
        )
    if data.classes is None:
        return source
    classes = CLASSES[data.classes] if isinstance(data.classes, str) else data.classes
    return source.with_classes(classes)


def _hold_out(source: ImageSource, share: float, seed: int) -> tuple[ImageSource, ImageSource]:
    """Split off a random share (at least one image) for validation."""
    if len(source) < 2:
        return source, source
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    count = min(len(source) - 1, max(1, round(share * len(source))))
    return source.subset(order[count:].sort().values), source.subset(order[:count].sort().values)


def _centre_crops(source: ImageSource, size: int, limit: int) -> ImageSource:
    """At most `limit` images, evenly spread, cut to their centres."""
    count = min(max(1, limit), len(source))
    chosen = source.subset([i * len(source) // count for i in range(count)])
    crops = chosen.crops(torch.arange(count), size).permute(0, 2, 3, 1).numpy()
    return ImageSource.from_arrays(
        source.name,
        list(crops),
        chosen.names,
        labels=None if chosen.labels is None else chosen.labels.tolist(),
        classes=chosen.classes,
    )


def _concatenate(sources: Sequence[ImageSource]) -> ImageSource:
    if len(sources) == 1:
        return sources[0]
    images = [s.image(i).permute(1, 2, 0).numpy() for s in sources for i in range(len(s))]
    labels = [label for s in sources if s.labels is not None for label in s.labels.tolist()]
    return ImageSource.from_arrays(
        " + ".join(s.name for s in sources),
        images,
        [name for s in sources for name in s.names],
        labels=labels if len(labels) == len(images) else None,
        classes=sources[0].classes,
    )


def run_name(config: RunConfig) -> Path:
    """The default run folder: runs/MODEL-DATASET-NOISE-bn|nobn-sSEED."""
    dataset = "mix" if config.data.mix else Path(config.data.dataset.rstrip("/")).name.lower()
    noise = config.noise.replace(":", "").replace("+", "_")
    prefix = "classifier-" if isinstance(config, ClassifyConfig) else ""
    bn = "bn" if config.batch_norm else "nobn"
    return Path("runs") / f"{prefix}{config.model}-{dataset}-{noise}-{bn}-s{config.seed}"
