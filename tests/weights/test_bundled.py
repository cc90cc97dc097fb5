"""Bundled weights are what their cards say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from denoise_cli.data.load import load_dataset
from denoise_cli.errors import WeightsError
from denoise_cli.evaluation.scores.scoring import score
from denoise_cli.models import count_parameters
from denoise_cli.models.registry import DEFAULT_MODEL, STUDY_MODELS
from denoise_cli.noise.spec import parse_noise
from denoise_cli.weights.card import read_card
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.header import read_header
from denoise_cli.weights.store import Bundled, find_bundled, find_weights, list_bundled

BUNDLED = list_bundled()
LIMIT_BYTES = 45_000_000


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_the_card_describes_the_file(entry: Bundled) -> None:
    card = entry.card
    assert find_weights(entry.name) == entry.path
    assert hashlib.sha256(entry.path.read_bytes()).hexdigest() == card.sha256
    architecture, model = load_weights(entry.path)
    assert (architecture.name, architecture.batch_norm) == (card.model, card.batch_norm)
    assert (architecture.classes, architecture.noise) == (card.classes, card.noise)
    assert count_parameters(model) == card.parameters


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_the_card_is_written_as_it_was_stored(entry: Bundled) -> None:
    stored = entry.path.with_suffix(".json").read_text()
    assert json.loads(entry.card.to_json()) == json.loads(stored)


def test_a_file_that_is_no_card(tmp_path: Path) -> None:
    card = json.loads(BUNDLED[0].card.to_json())
    path = tmp_path / "card.json"
    for wrong in ({**card, "colour": "red"}, {**card, "scores": [{}]}, {"model": "cae"}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(WeightsError, match=r"card\.json is not the card of a weight file"):
            read_card(path)


@pytest.mark.slow
@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
@pytest.mark.parametrize("noise", ["basic", "intense"])
def test_the_scores_of_the_card_are_reproduced(entry: Bundled, noise: str) -> None:
    row = next(r for r in entry.card.scores if (r.set, r.noise) == ("sample", noise))
    _, model = load_weights(entry.path)
    result = score(model, load_dataset("sample", "test"), parse_noise(noise), device=torch.device("cpu"))
    assert len(result.psnr) == row.n
    assert float(result.psnr.mean()) == pytest.approx(row.psnr, abs=0.02)
    assert float(result.ssim.mean()) == pytest.approx(row.ssim, abs=0.002)


def test_the_default_and_all_models_of_the_study_are_bundled() -> None:
    assert find_bundled(DEFAULT_MODEL, batch_norm=True).is_file()
    for name in STUDY_MODELS:
        for batch_norm in (True, False):
            header = read_header(find_bundled(name, batch_norm))
            assert (header.name, header.batch_norm) == (name, batch_norm)


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_a_file_that_began_folded_says_so(entry: Bundled) -> None:
    assert entry.starts_from_folded_batch_norm == any("folded" in limit for limit in entry.card.limits)
    assert not (entry.starts_from_folded_batch_norm and entry.card.batch_norm)


def test_the_bundle_stays_small() -> None:
    assert sum(entry.path.stat().st_size for entry in BUNDLED) < LIMIT_BYTES
