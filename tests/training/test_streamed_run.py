"""A run whose pictures are read from the disk ends with the weights of one that holds them in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor

from denoise_cli.config import ClassifyConfig, DataConfig, RunConfig, TrainConfig
from denoise_cli.data.source import Images, ImageSource
from denoise_cli.data.streaming import StreamedSource
from denoise_cli.runs import RunFolder
from denoise_cli.training import batches
from denoise_cli.training import run as training_run
from denoise_cli.training.data import Data, load_data


def _shuffled(source: Images, seed: int) -> Tensor:
    """One order for both: a stream has its own, which keeps the uses of a decoded picture together."""
    return torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("config", [TrainConfig(model="cae"), ClassifyConfig(model="cnn", clean_share=0.3)])
def test_streamed_training_equals_training_from_memory(
    config: RunConfig, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_pass_order", _shuffled)
    common = {
        "data": DataConfig(dataset=str(image_folder), crop=24, rotate=True, grey=0.2, holdout=0.2),
        "steps": 7,
        "batch_size": 8,
        "device": "cpu",
        "precision": "fp32",
        "validate_every": 1.0,
    }
    kinds, weights, scores = [], [], []
    for name, memory in (("memory", 2**30), ("disk", 0)):
        monkeypatch.setattr(training_run, "memory_share", lambda memory=memory: memory)

        def load(config: RunConfig, memory: int) -> Data:
            data = load_data(config, memory)
            kinds.append(type(data.streams[0].source))
            return data

        monkeypatch.setattr(training_run, "load_data", load)
        run = config.model_copy(update=common | {"out": tmp_path / name})
        result = training_run.train(run, training_run.SilentReporter())
        assert result is not None
        assert result.steps == 7
        weights.append(load_file(tmp_path / name / "last.safetensors"))
        events = RunFolder(tmp_path / name).events()
        metric = "accuracy" if config.is_classifier else "psnr"
        scores.append([event[metric] for event in events if event["event"] == "validation"])
    assert kinds == [ImageSource, StreamedSource]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        assert (value == weights[1][key]).all(), key
    assert scores[0] == scores[1]
    assert len(scores[0]) >= 2
