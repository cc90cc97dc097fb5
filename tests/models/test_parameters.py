"""Parameter counts of the reference study."""

from __future__ import annotations

import pytest
from torch import nn

from denoise_cli.models import (
    CLASSIFIERS as CLASSIFIER_ENTRIES,
)
from denoise_cli.models import (
    DENOISERS as DENOISER_ENTRIES,
)
from denoise_cli.models import (
    ModelInfo,
    build_classifier,
    build_denoiser,
    count_parameters,
    count_trainable,
)

DENOISERS = {
    "cnn": (186_688, 186_371),
    "cae": (107_491, 107_171),
    "unet": (1_942_608, 1_941_139),
    "cnn_unet": (2_030_160, 2_028_691),
    "resnet_unet": (2_030_160, 2_028_691),
}
CLASSIFIERS = {"cnn": (1_514_954, 1_514_058), "resnet": (698_985, 698_470)}


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("name", DENOISERS)
def test_denoisers_have_the_studys_parameters(name: str, batch_norm: bool) -> None:
    model = build_denoiser(name, batch_norm=batch_norm)
    assert count_parameters(model) == DENOISERS[name][0 if batch_norm else 1]
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == batch_norm


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_have_the_studys_parameters(name: str, batch_norm: bool) -> None:
    assert (
        count_parameters(build_classifier(name, batch_norm=batch_norm)) == CLASSIFIERS[name][1 - batch_norm]
    )


@pytest.mark.parametrize("guide", ["cnn", "resnet"])
def test_the_classifier_inside_a_guided_model_is_saved_but_not_trained(guide: str) -> None:
    model = build_denoiser(f"{guide}_unet")
    inside = {name for name in model.state_dict() if name.startswith("classifier.")}
    own = build_classifier(guide).state_dict()
    assert inside == {f"classifier.{name}" for name in own}
    assert not any(p.requires_grad for n, p in model.named_parameters() if n in inside)


@pytest.mark.parametrize(
    "info",
    [*DENOISER_ENTRIES.own.values(), *CLASSIFIER_ENTRIES.own.values()],
    ids=lambda i: f"{i.kind} {i.name}",
)
def test_what_the_registry_says_is_what_is_built(info: ModelInfo) -> None:
    assert info.parameters == count_trainable(info)
