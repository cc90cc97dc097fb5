"""Which runs a comparison of guidance trains, in which order, by which recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from denoise_cli.config import CompareConfig, TrainConfig, load_config
from denoise_cli.training.plan_guidance import plan_guided


def configs(**fields: Any) -> list[Any]:
    values = {"models": "resnet_unet", "guidance": "all", "weights": "nowhere", "data.dataset": "sample"}
    flags = values | {key.replace("__", "."): value for key, value in fields.items()}
    return [job.config for job in plan_guided(load_config(CompareConfig, None, [], flags))[0]]


def names(found: list[Any]) -> list[str]:
    return [config.folder.name for config in found]


def test_whole_seeds_come_one_after_another() -> None:
    found = names(configs(classifier="guide", train_seeds="2", train_noise="basic", noise="basic,0.1"))
    assert found == [
        f"{label}-sample-basic-bn-s{seed}"
        for seed in (0, 1)
        for label in (
            "unet",
            "resnet_unet-zero-concat",
            "resnet_unet",
            "resnet_unet-oracle-concat",
            "resnet_unet-shuffled-concat",
            "resnet_unet-features-concat",
        )
    ]


def test_runs_differ_in_their_guidance_alone() -> None:
    changes = ("optim.lr=0.002", "optim.schedule=cosine")
    found = configs(classifier="guide", noise="intense", injection="concat,film", steps=7, train_set=changes)
    assert len(found) == 1 + 2 * 5
    plain = found[0]
    assert isinstance(plain, TrainConfig)
    assert (plain.model, plain.classifier, plain.steps, plain.optim.lr) == ("unet", None, 7, 0.002)
    for config in found[1:]:
        same = {"out": None, "model": "", "classifier": None, "guidance": plain.guidance}
        assert config.model_copy(update=same) == plain.model_copy(update=same)
        assert (config.model, config.classifier) == ("resnet_unet", "guide")
    guided = {(config.guidance.source, config.guidance.injection) for config in found[1:]}
    assert len(guided) == 10


def test_each_classifier_is_trained_once_before_what_it_guides() -> None:
    found = names(
        configs(models="cnn_unet,resnet_unet", noise="basic", guidance="predicted", train_seeds="1")
    )
    assert found == [
        f"{label}-sample-basic-bn-s0"
        for label in ("classifier-cnn", "unet", "cnn_unet", "classifier-resnet", "resnet_unet")
    ]


def test_the_plain_unet_is_that_of_the_ordinary_grid() -> None:
    (plain, _) = configs(classifier="guide", noise="basic", guidance="predicted")
    recipe = load_config(TrainConfig, "study/unet-bn-basic", [], {"data.dataset": "sample", "out": plain.out})
    assert plain.model_copy(update={"device": recipe.device}) == recipe
    assert plain.folder == Path("nowhere/unet-sample-basic-bn-s0")
