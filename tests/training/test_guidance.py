"""Training with guidance: the same start for every source, and labels by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from denoise_cli.config import TrainConfig, load_config
from denoise_cli.errors import ConfigError, DataError
from denoise_cli.models.guidance import GuidanceInjection, GuidanceSource
from denoise_cli.models.guided import GuidedUNet
from denoise_cli.noise.spec import parse_noise
from denoise_cli.training.batches import Batches
from denoise_cli.training.build import build_model, build_task
from denoise_cli.training.data import Data, load_data, with_classes
from denoise_cli.weights.files import build, load_weights, save_weights
from denoise_cli.weights.header import WeightsHeader

CLASSES = ("ship", "cat", "airplane")


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A classifier with other classes, in another order, than the images have."""
    torch.manual_seed(5)
    architecture = WeightsHeader("classifier", "resnet", True, CLASSES, 32, "basic")
    path = tmp_path / "classifier.safetensors"
    save_weights(path, build(architecture), architecture)
    return path


def prepared(folder: Path, classifier: Path, **flags: Any) -> tuple[TrainConfig, Data]:
    values = {"model": "resnet_unet", "data.dataset": str(folder), "classifier": str(classifier)}
    config = load_config(TrainConfig, None, [], values | {k.replace("__", "."): v for k, v in flags.items()})
    return config, load_data(config)


def network(folder: Path, classifier: Path, **flags: Any) -> tuple[WeightsHeader, nn.Module]:
    return build_model(*prepared(folder, classifier, **flags))


def test_every_source_starts_as_the_same_unet(image_folder: Path, classifier: Path) -> None:
    plain = network(image_folder, classifier, model="unet", seed=3)[1].eval()
    other = network(image_folder, classifier, model="unet", seed=4)[1].state_dict()
    x, logits = torch.rand(2, 3, 32, 32), torch.rand(2, 3)
    for source in get_args(GuidanceSource):
        for injection in get_args(GuidanceInjection):
            architecture, model = network(
                image_folder, classifier, guidance__source=source, guidance__injection=injection, seed=3
            )
            assert (architecture.guidance, architecture.injection) == (source, injection)
            assert isinstance(model, GuidedUNet)
            extra = {"logits": logits} if source in {"oracle", "shuffled"} else {}
            with torch.no_grad():
                torch.testing.assert_close(model.eval()(x, **extra), plain(x))
            state = model.unet.state_dict()
            for name, value in plain.state_dict().items():
                ours = state[name]
                shared = ours if ours.shape == value.shape else ours[:, : value.shape[1]]
                assert torch.equal(shared, value), name
    assert not torch.equal(other["bottleneck.0.0.weight"], plain.state_dict()["bottleneck.0.0.weight"])


def test_labels_are_told_by_name(image_folder: Path, classifier: Path) -> None:
    config, data = prepared(image_folder, classifier, guidance__source="oracle")
    architecture, model = build_model(config, data)
    assert isinstance(model, GuidedUNet)
    renumbered = with_classes(data, architecture.classes)
    source = renumbered.streams[0].source
    assert source.labels is not None
    named = [CLASSES[label] for label in source.labels.tolist()]
    assert named == [Path(name).parent.name for name in source.names]
    assert set(named) == {"airplane", "cat"}

    batches = Batches(renumbered.streams, parse_noise("basic"), 4, 0, torch.device("cpu"))
    batch = batches[0]
    seen: list[torch.Tensor] = []
    model.embed.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    assert batch.labels is not None
    build_task(config, architecture).loss(model, batch, 0)
    assert seen[0].argmax(1).tolist() == batch.labels.tolist()


def test_the_oracle_needs_labels_that_the_classifier_knows(
    image_folder: Path, classifier: Path, tmp_path: Path
) -> None:
    flat = image_folder / "train" / "cat"
    config, data = prepared(flat, classifier, guidance__source="oracle")
    architecture, _ = build_model(config, data)
    with pytest.raises(DataError, match="has no labels") as caught:
        with_classes(data, architecture.classes)
    assert "one folder per class" in caught.value.hint
    (image_folder / "train" / "cat").rename(image_folder / "train" / "frog")
    _, data = prepared(image_folder, classifier, data__holdout=0.2)
    with pytest.raises(DataError, match=r"2 classes and the classifier 3; it does not know frog"):
        with_classes(data, architecture.classes)


def test_guidance_that_does_not_fit_its_config() -> None:
    for values, text in (
        ({"model": "unet", "guidance.source": "oracle"}, "unet is not guided"),
        ({"model": "cnn_unet", "guidance.source": "orakel"}, "oracle"),
        ({"model": "cnn_unet", "guidance.source": "oracle", "data.mix": [{"dataset": "sample"}]}, "data.mix"),
    ):
        with pytest.raises(ConfigError, match=text):
            load_config(TrainConfig, None, [], values)


def test_weights_keep_their_guidance(image_folder: Path, classifier: Path, tmp_path: Path) -> None:
    for source in get_args(GuidanceSource):
        for injection in get_args(GuidanceInjection):
            architecture, model = network(
                image_folder, classifier, guidance__source=source, guidance__injection=injection
            )
            path = tmp_path / "w.safetensors"
            save_weights(path, model, architecture)
            found, loaded = load_weights(path)
            assert found == architecture
            assert isinstance(loaded, GuidedUNet)
            assert (loaded.source, loaded.injection) == (source, injection)
