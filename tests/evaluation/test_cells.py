"""Which cells a comparison has, and which weights stand for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from denoise_cli.config import CompareConfig
from denoise_cli.config.evaluation import TestDataConfig
from denoise_cli.errors import ModelWarning, WeightsError
from denoise_cli.evaluation.comparison.cells import (
    CellName,
    cell_names,
    find_candidates,
    read_runs,
    train_command,
)
from denoise_cli.evaluation.comparison.results import Cell, Results
from denoise_cli.evaluation.comparison.run import run_comparison
from denoise_cli.evaluation.comparison.tables import build_sheets
from denoise_cli.weights.files import build, save_weights
from denoise_cli.weights.header import WeightsHeader
from tests.evaluation.test_grid import silent

BOTH = (True, False)


def save(folder: Path, model: str, noise: str, batch_norm: bool = True) -> Path:
    torch.manual_seed(0)
    architecture = WeightsHeader("denoiser", model, batch_norm, noise=noise)
    save_weights(folder / "last.safetensors", build(architecture), architecture)
    return folder / "last.safetensors"


def test_the_study_has_twenty_cells() -> None:
    names = cell_names(CompareConfig(batch_norm=BOTH))
    assert len(names) == len(set(names)) == 20
    assert "photo_unet" not in {name.model for name in names}


@pytest.mark.parametrize("settings", [(True,), (False,), BOTH])
def test_a_model_without_batch_norm_has_one_cell_a_noise(settings: tuple[bool, ...]) -> None:
    config = CompareConfig(models=("photo_unet", "unet"), batch_norm=settings)
    names = cell_names(config)
    assert [name for name in names if name.model == "photo_unet"] == [
        CellName("photo_unet", None, "basic"),
        CellName("photo_unet", None, "intense"),
    ]
    assert len(names) == 2 + 2 * len(settings)


def test_weights_without_batch_norm_fill_the_cells_of_every_setting(tmp_path: Path) -> None:
    ours = save(tmp_path / "a", "photo_unet", "blind", batch_norm=False)
    save(tmp_path / "b", "cae", "blind")
    runs = read_runs(tmp_path)
    found = find_candidates(CellName("photo_unet", None, "basic"), runs)
    assert [candidate.path for candidate in found] == [ours]
    with pytest.raises(WeightsError, match="No run of cae without batch norm was"):
        find_candidates(CellName("cae", False, "basic"), runs)
    with pytest.raises(WeightsError, match="No run of photo_unet was"):
        find_candidates(CellName("photo_unet", None, "basic"), runs[1:])
    assert "batchnorm" not in train_command("photo_unet", None, ["basic"], CompareConfig())


def test_a_broken_run_costs_no_other_its_place(tmp_path: Path) -> None:
    ours = save(tmp_path / "a", "unet", "basic")
    broken = save(tmp_path / "b", "cae", "basic")
    broken.write_bytes(broken.read_bytes()[:1000])
    with pytest.warns(ModelWarning, match="b is left out: .*last.safetensors"):
        assert [run.path for run in read_runs(tmp_path)] == [ours]
    with pytest.raises(WeightsError):  # named alone, it is all that there is
        read_runs(tmp_path / "b")


def test_weights_that_cannot_be_used_are_a_cell_without_scores(tmp_path: Path) -> None:
    save(tmp_path / "a", "cae", "basic")
    header = WeightsHeader("denoiser", "unet", batch_norm=True, noise="basic")
    model = build(header)
    next(model.parameters()).data[:] = torch.nan
    save_weights(tmp_path / "b" / "last.safetensors", model, header)
    noise, data = ("basic",), TestDataConfig(limit=2)
    config = CompareConfig(models=("cae", "unet"), weights=tmp_path, noise=noise, data=data)
    results = run_comparison(config, silent)
    assert results is not None
    cells = {cell.method: cell for cell in results.cells if cell.kind == "model"}
    assert cells["cae"].psnr is not None
    assert "not finite" in cells["unet"].missing
    with pytest.raises(WeightsError, match="not finite"):
        run_comparison(CompareConfig(networks=(str(tmp_path / "b"),), noise=noise, data=data), silent)


def test_model_without_batch_norm_spans_all_columns() -> None:
    ours = Cell(method="photo_unet", kind="model", noise="basic", psnr=26.0, ssim=0.8)
    others = [
        Cell(method="unet", kind="model", batch_norm=setting, noise="basic", psnr=25.0, ssim=0.7)
        for setting in BOTH
    ]
    for cells, titles in (
        ([ours, *others], ["basic, BN on", "basic, BN off"]),
        ([ours], ["basic"]),
    ):
        results = Results(
            dataset="x",
            images=("a",),
            protocol="image",
            seed=0,
            device="cpu",
            versions={},
            costs={},
            cells=tuple(cells),
        )
        scores = build_sheets(results)[0]
        assert [group.title for group in scores.groups] == titles
        for group in scores.groups:
            assert group.columns[0].values[0] == "26.00"
            assert group.columns[0].best == {0}
