"""Training and validation images of a config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import torch

from denoise_cli.config import ClassifyConfig, DataConfig, MixItem, RunConfig
from denoise_cli.data.classes import CLASSES
from denoise_cli.data.held_out import Split
from denoise_cli.data.load import load_dataset
from denoise_cli.data.memory import available_memory
from denoise_cli.data.pairs import without_pairs
from denoise_cli.data.source import Images, ImageSource, centre_cropped, evenly_spaced, resized
from denoise_cli.errors import ConfigError, DataError
from denoise_cli.evaluation.scores.guidance_logits import true_classes
from denoise_cli.evaluation.scores.test_images import check_noise
from denoise_cli.noise.spec import is_real, parse_noise
from denoise_cli.seeds import derive_seed
from denoise_cli.training.batches import WeightedSource

DEFAULT_CROP = 96


@dataclass(frozen=True, slots=True)
class Data:
    """Training streams, validation images and what was skipped."""

    streams: tuple[WeightedSource, ...]
    validation: ImageSource
    held_out: bool

    @property
    def images(self) -> int:
        """Number of training images."""
        return sum(len(stream.source) for stream in self.streams)

    @property
    def fingerprint(self) -> str:
        """The same for the same images, by name and size, in the same roles."""
        digest = sha256()
        for source in (*(stream.source for stream in self.streams), self.validation):
            text = "\0".join((*source.names, "", *source.classes))
            digest.update(text.encode("utf-8", "surrogateescape"))
            digest.update(source.shapes.numpy().tobytes())
        return digest.hexdigest()

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that were left out, with the reason."""
        return tuple(name for stream in self.streams for name in stream.source.skipped)


def load_data(config: RunConfig, memory: int | None = None) -> Data:
    """Load the training and validation images of a config.

    Args:
        memory: A folder of more decoded bytes is streamed from the disk; default
            `memory_share()`. Processes that train together give the same, so that they draw
            the same images.

    Raises:
        DataError: The images are missing or do not fit the config.
        ConfigError: Their crops would not fit into memory.
    """
    memory = memory_share() if memory is None else memory
    data = config.data
    wanted = data.mix or (MixItem(dataset=data.dataset, crop=data.crop),)
    streams: list[WeightedSource] = []
    validation = []
    validates_pairs = is_real(parse_noise(config.scoring_noise))
    for number, item in enumerate(wanted):
        source = _with_noise(
            _prepared(_load(item.dataset, "train", data, memory, data.limit), config), config
        )
        size = source.uniform_size
        crop = item.crop or data.crop or (size[0] if size and size[0] == size[1] else DEFAULT_CROP)
        wide = crop / item.rescale
        _check_memory(
            f"A batch of {config.batch_size} crops of {crop} pixels",
            config.batch_size * 3 * (wide * wide + 8 * crop**2),
        )
        held: Images | None = None
        # Pairs are validated by their own noise, all others by one that is added.
        if (source.noisy is not None) == validates_pairs:
            if data.holdout:
                source, held = _hold_out(source, data.holdout, derive_seed(config.seed, number))
            else:
                held = _with_noise(_prepared(_load(item.dataset, "test", data, memory), config), config)
        if isinstance(config, ClassifyConfig) and streams and source.classes != streams[0].source.classes:
            first = streams[0].source
            raise DataError(
                f"{first.name} and {source.name} have other classes ({', '.join(first.classes)}; "
                f"{', '.join(source.classes)}), so their labels do not fit together.",
                "Name the classes of the mixture: --set data.classes=[NAME, ...].",
            )
        streams.append(
            WeightedSource(
                source,
                crop,
                rescale=item.rescale,
                weight=item.weight,
                enlarge=item.enlarge,
                enlarge_share=item.enlarge_share,
            )
        )
        if held is not None:
            validation.append(_centre_crops(held, crop, data.validation_limit // len(wanted)))
    if not validation:
        what = "pairs" if validates_pairs else "pictures without partners"
        raise DataError(
            f"Validation under {config.scoring_noise} noise needs {what}, and the mixture has none.",
            f"Use --set validate_noise={'basic' if validates_pairs else 'real'}.",
        )
    return Data(tuple(streams), _concatenate(validation), held_out=data.holdout > 0)


def _check_memory(what: str, needed: float) -> None:
    """Refuse sizes whose images alone do not fit into memory; raises `ConfigError`."""
    available = available_memory()
    if needed > available:
        raise ConfigError(
            f"{what} would take {needed / 1e9:,.0f} GB of memory; {available / 1e9:,.1f} GB are free.",
            "Lower batch_size, data.crop or data.resize.",
        )


def memory_share() -> int:
    """Bytes for the images of one process: the processes of a machine share half of what is left."""
    return available_memory() // 2 // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def with_classes(data: Data, classes: Sequence[str]) -> Data:
    """The images with their labels numbered as a classifier numbers its classes.

    Raises:
        DataError: They have no labels, or classes that the classifier does not know.
    """
    streams = tuple(replace(stream, source=true_classes(stream.source, classes)) for stream in data.streams)
    return replace(data, streams=streams, validation=true_classes(data.validation, classes))


def _load(dataset: str, split: Split, data: DataConfig, memory: int, limit: int | None = None) -> Images:
    share = 0.0 if data.mix else data.test_share
    return load_dataset(
        dataset, split, data_dir=data.data_dir, limit=limit, max_bytes=memory, test_share=share
    )


def _prepared(source: Images, config: RunConfig) -> Images:
    """The images with the labels and size that the config asks for."""
    data, side = config.data, config.data.resize
    if isinstance(config, ClassifyConfig):
        source = _labelled(source, data, config.model)
        crops = data.crop or any(item.crop for item in data.mix)
        size = source.uniform_size
        if side is None and not crops and (size is None or size[0] != size[1]):
            # A class is seen in the whole of a picture, as in the test, not in a part at full size.
            side = DEFAULT_CROP
    if side is None:
        return source
    _check_memory(f"{len(source)} images resized to {side} pixels", len(source) * 3 * side**2)
    return resized(source, side)


def _with_noise(source: Images, config: RunConfig) -> Images:
    """Pairs as the config asks for them: of a single data set only where its noise is `real`."""
    noise = parse_noise(config.noise)
    check_noise(source, noise)
    return source if config.data.mix or is_real(noise) else without_pairs(source)


def _labelled(source: Images, data: DataConfig, model: str) -> Images:
    if source.labels is None:
        raise DataError(
            f"{source.name} has no class folders, so it cannot train the classifier {model!r}.",
            "Sort the images into one subfolder per class.",
        )
    if data.classes is None:
        return source
    classes = CLASSES[data.classes] if isinstance(data.classes, str) else data.classes
    if len(set(classes)) < len(classes):
        raise ConfigError("`data.classes` names a class twice.", "Keep one of them.")
    return source.with_classes(classes)


def _hold_out(source: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Split off a random share (at least one image) for validation."""
    if len(source) < 2:
        return source, source
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    count = min(len(source) - 1, max(1, round(share * len(source))))
    return source.subset(order[count:].sort().values), source.subset(order[:count].sort().values)


def _centre_crops(source: Images, size: int, limit: int) -> ImageSource:
    """At most `limit` images, evenly spread, cut to their centres."""
    return centre_cropped(source.subset(evenly_spaced(len(source), max(1, limit))), size)


def _concatenate(sources: Sequence[ImageSource]) -> ImageSource:
    if len(sources) == 1:
        return sources[0]
    images = [s.image(i).permute(1, 2, 0).numpy() for s in sources for i in range(len(s))]
    labels = [label for s in sources if s.labels is not None for label in s.labels.tolist()]
    noisy = [s.noisy for s in sources if isinstance(s.noisy, ImageSource)]
    joined = ImageSource.from_arrays(
        " + ".join(s.name for s in sources),
        images,
        [name for s in sources for name in s.names],
        labels=labels if len(labels) == len(images) else None,
        classes=sources[0].classes,
    )
    return replace(joined, noisy=_concatenate(noisy)) if len(noisy) == len(sources) else joined
