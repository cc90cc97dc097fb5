"""The grid's scores, against `denoise test` and against numpy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.stats import t

from denoise_cli.config import CompareConfig, TestConfig, TestDataConfig
from denoise_cli.evaluation.comparison.classical import LEVELS, TUNED, classical_method, methods
from denoise_cli.evaluation.comparison.differences import differences_to_best
from denoise_cli.evaluation.comparison.published import STUDY_SCORES, awgn_rows, stl10_share
from denoise_cli.evaluation.comparison.results import Cell, Results, read_results
from denoise_cli.evaluation.comparison.run import run_comparison
from denoise_cli.evaluation.comparison.tables import build_sheets, missing_notes
from denoise_cli.evaluation.run_test import run_test
from denoise_cli.seeds import derive_seed
from denoise_cli.weights.files import build, load_weights, save_weights
from denoise_cli.weights.header import WeightsHeader


@contextmanager
def silent(title: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def save_run(folder: Path, seed: int, noise: str = "blind", batch_norm: bool = True) -> Path:
    """The weights of a run that has learned nothing, from its own seed."""
    torch.manual_seed(seed)
    architecture = WeightsHeader("denoiser", "cae", batch_norm, noise=noise)
    save_weights(folder / "last.safetensors", build(architecture), architecture)
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": seed}))
    return folder


def compare(**fields: Any) -> Results:
    if "benchmark" not in fields:
        fields.setdefault("noise", ("basic",))
    results = run_comparison(CompareConfig(models=("cae",), device="cpu", **fields), silent)
    assert results is not None
    return results


@pytest.mark.parametrize("protocol", ["image", "paper"])
def test_scores_are_those_of_denoise_test(tmp_path: Path, image_folder: Path, protocol: Any) -> None:
    run = save_run(tmp_path / "runs/a", 1)
    data = TestDataConfig(dataset=str(image_folder))
    results = compare(weights=tmp_path / "runs", data=data, noise=("intense",), protocol=protocol)
    config = TestConfig(
        weights=str(run), noise="intense", data=data, protocol=protocol, device="cpu", out=tmp_path
    )
    report = run_test(config, silent)
    assert report is not None
    cell = results.cells[-1]
    prefix = "paper_" if protocol == "paper" else ""
    assert cell.psnr == pytest.approx(getattr(report.summary, f"{prefix}psnr"), abs=1e-3)
    assert cell.ssim == pytest.approx(getattr(report.summary, f"{prefix}ssim"), abs=1e-4)
    if protocol == "image":
        assert cell.psnr_interval == pytest.approx(report.summary.psnr_interval, abs=1e-3)
        assert results.cells[0].psnr == pytest.approx(report.summary.noisy_psnr, abs=1e-3)


def test_seeds_are_averaged_and_a_run_stands_for_its_noise(tmp_path: Path, image_folder: Path) -> None:
    for seed in (1, 2):
        save_run(tmp_path / f"runs/{seed}", seed, noise="basic")
    save_run(tmp_path / "runs/mixed", 3, noise="blind")
    data = TestDataConfig(dataset=str(image_folder))
    results = compare(weights=tmp_path / "runs", data=data, noise=("basic", "0.1"))
    basic, other = results.cell("cae", True, "basic"), results.cell("cae", True, "gaussian:0.1")
    assert basic is not None
    assert other is not None
    assert [run.seed for run in basic.runs] == [1, 2]
    assert [run.seed for run in other.runs] == [3]
    each = [run.psnr for run in basic.runs]
    assert basic.psnr == pytest.approx(np.mean(each))  # type: ignore[arg-type]
    assert basic.psnr_spread == pytest.approx(abs(each[0] - each[1]) / 2**0.5)  # type: ignore[operator]


def test_the_difference_to_the_best_is_paired(tmp_path: Path, image_folder: Path) -> None:
    save_run(tmp_path / "runs/a", 1)
    results = compare(weights=tmp_path / "runs", data=TestDataConfig(dataset=str(image_folder)))
    noisy, model = results.cells
    best, other = (noisy, model) if (noisy.psnr or 0) > (model.psnr or 0) else (model, noisy)
    values = np.subtract(other.image_psnr, best.image_psnr)  # type: ignore[arg-type]
    differences = differences_to_best(results, True, "basic")
    assert differences[best.method].is_best
    worse = differences[other.method]
    assert worse.mean == pytest.approx(values.mean())
    expected = t.interval(0.95, len(values) - 1, values.mean(), values.std(ddof=1) / len(values) ** 0.5)
    assert worse.interval == pytest.approx(expected)


def test_differences_stay_within_the_column_that_is_shown() -> None:
    """What has no batch norm stands in both columns, and is compared with the best of each."""
    rng = np.random.default_rng(0)
    scores = {True: rng.normal(26, 1, 9), False: rng.normal(23, 1, 9), None: rng.normal(15, 1, 9)}

    def cell(method: str, batch_norm: bool | None) -> Cell:
        values = scores[batch_norm]
        return Cell(
            method=method,
            kind="model",
            batch_norm=batch_norm,
            noise="basic",
            psnr=float(values.mean()),
            image_psnr=tuple(values),
        )

    results = Results(
        dataset="x",
        images=tuple("abcdefghi"),
        groups=(0, 0, 0, 1, 1, 1, 2, 2, 2),
        protocol="image",
        seed=0,
        device="cpu",
        versions={},
        costs={},
        cells=(cell("noisy input", None), cell("unet", True), cell("unet", False)),
    )
    sheet = build_sheets(results)[1]
    for place, setting in enumerate((True, False)):
        found = differences_to_best(results, setting, "basic")["noisy input"]
        difference = scores[None] - scores[setting]
        assert found.mean == pytest.approx(difference.mean())
        by_photo = difference.reshape(3, 3).mean(1)
        expected = t.interval(0.95, 2, by_photo.mean(), by_photo.std(ddof=1) / 3**0.5)
        assert found.interval == pytest.approx(expected)
        shown = sheet.groups[place].columns[0].values
        assert float(shown[0].split()[0]) == pytest.approx(difference.mean(), abs=0.006)
        assert shown[1] == "best"


def test_results_of_earlier_versions_are_read(tmp_path: Path, image_folder: Path) -> None:
    save_run(tmp_path / "runs/a", 1)
    results = compare(weights=tmp_path / "runs", data=TestDataConfig(dataset=str(image_folder)))
    stored = results.model_dump(mode="json")
    for field in ("groups", "command", "date"):
        del stored[field]
    for cell in stored["cells"]:
        cell |= {"to_best": -1.0, "to_best_interval": [-2.0, 0.0]}
        del cell["psnr_left_out"], cell["ssim_left_out"]
    (tmp_path / "old.json").write_text(json.dumps(stored))
    assert build_sheets(read_results(tmp_path / "old.json")) == build_sheets(results)


def test_runs_are_averaged_only_over_seeds(tmp_path: Path, image_folder: Path) -> None:
    data = TestDataConfig(dataset=str(image_folder), limit=1)
    for name in ("a", "b"):
        save_run(tmp_path / "runs" / name, 1, noise="basic")
    results = compare(weights=tmp_path / "runs", data=data)
    assert "do not all have seeds of their own" in results.cells[-1].missing
    (tmp_path / "runs/b/config.yaml").write_text(yaml.safe_dump({"seed": 2, "steps": 7}))
    results = compare(weights=tmp_path / "runs", data=data)
    assert "differ in more than their seeds" in results.cells[-1].missing
    # Training another would not mend it.
    (note,) = missing_notes(results)
    assert "Make them" not in note and "Compare them side by side: denoise compare" in note


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_benchmark_scores_as_the_papers_do(tmp_path: Path, mode: str) -> None:
    """Against numpy: noise neither clipped nor rounded, output rounded to 8 bits, whole image."""
    folder = tmp_path / "cbsd68"
    folder.mkdir()
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((48, 32), Image.Resampling.BICUBIC).convert(mode).save(folder / "a.png")
    run = save_run(tmp_path / "runs/a", 1)
    results = compare(weights=run, data=TestDataConfig(dataset=str(folder)), benchmark="awgn")
    assert [cell.noise for cell in results.cells if cell.kind == "model"] == ["awgn:15", "awgn:25", "awgn:50"]

    with Image.open(folder / "a.png") as image:
        clean = np.asarray(image.convert("RGB")).transpose(2, 0, 1).astype(np.float32) / 255
    channels = 1 if mode == "L" else 3
    noise = torch.randn(1, channels, 32, 48, generator=torch.Generator().manual_seed(derive_seed(0, 0)))
    noisy = torch.from_numpy(clean)[None] + noise * (25 / 255)
    with torch.inference_mode():
        output = load_weights(run / "last.safetensors")[1](noisy)[0].numpy()
    output = np.broadcast_to(output.mean(0), output.shape) if mode == "L" else output
    error = np.round(np.clip(output, 0, 1) * 255) - clean * 255
    expected = 10 * np.log10(255**2 / np.mean(error.astype(np.float64) ** 2))
    cell = results.cell("cae", True, "awgn:25")
    assert cell is not None
    assert cell.psnr == pytest.approx(expected, abs=1e-3)
    published = {row.method: row.psnr for row in results.published}
    assert published == ({} if mode == "L" else awgn_rows("cbsd68"))
    few = compare(weights=run, data=TestDataConfig(dataset=str(folder), limit=1), benchmark="awgn")
    assert any("whole test set, ours for 1" in note for note in few.notes) == (mode == "RGB")


def test_the_benchmark_of_cameras_scores_files_of_8_bits(tmp_path: Path) -> None:
    """Against numpy: the noisy files as they are, output rounded to 8 bits, whole image."""
    rng = np.random.default_rng(4)
    clean = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    clean = np.asarray(Image.fromarray(clean).resize((48, 32), Image.Resampling.BICUBIC))
    noisy = (clean + rng.normal(3, 9, clean.shape)).clip(0, 255).astype(np.uint8)
    for half, pixels in (("clean", clean), ("noisy", noisy)):
        (tmp_path / "pairs" / half).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "pairs" / half / "a.png")
    run = save_run(tmp_path / "run", 1)
    data = TestDataConfig(dataset=str(tmp_path / "pairs"))
    results = compare(weights=run, data=data, benchmark="real", baselines=False)
    with torch.inference_mode():
        x = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None].float() / 255
        output = load_weights(run / "last.safetensors")[1](x)[0].numpy().transpose(1, 2, 0)
    for cell, picture in zip(results.cells, (noisy, np.round(output.clip(0, 1) * 255)), strict=True):
        error = picture.astype(np.float64) - clean
        assert cell.noise == "real"
        assert cell.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)), abs=1e-3)


def test_folded_weights_are_not_passed_off_as_trained_without_batch_norm(
    tmp_path: Path, image_folder: Path
) -> None:
    save_run(tmp_path / "runs/a", 1, batch_norm=False)
    data = TestDataConfig(dataset=str(image_folder))
    for fields, extra in (
        ({"batch_norm": (False,)}, True),
        ({"batch_norm": (True,)}, False),
        ({"batch_norm": (False,), "weights": tmp_path / "runs"}, False),
    ):
        results = compare(data=data, **fields)
        assert results.cells[-1].psnr is not None
        assert any("folded" in note for note in results.notes) == extra


def test_published_values_stand_only_where_they_compare(tmp_path: Path) -> None:
    folder = tmp_path / "stl10-some"
    folder.mkdir()
    Image.linear_gradient("L").resize((96, 96)).convert("RGB").save(folder / "a.png")
    save_run(tmp_path / "runs/a", 1)
    data = TestDataConfig(dataset=str(folder))
    by_image = compare(weights=tmp_path / "runs", data=data)
    by_paper = compare(weights=tmp_path / "runs", data=data, protocol="paper")
    assert all(cell.published_psnr is None for cell in by_image.cells)
    assert (by_paper.cells[-1].published_psnr, by_paper.cells[-1].published_ssim) == STUDY_SCORES[
        "cae", True, "basic"
    ]
    assert any("a part of STL-10" in note for note in by_paper.notes)
    assert any("Published" in sheet.title for sheet in build_sheets(by_paper))
    assert not any("Published" in sheet.title for sheet in build_sheets(by_image))


def test_what_counts_as_the_study_s_test_set() -> None:
    whole, other = np.full((8000, 2), 96), np.full((8000, 2), 64)
    assert stl10_share("STL10", whole) == "whole"
    assert stl10_share("STL10", whole[:100]) == "part"
    assert stl10_share("../data/stl10-part/", whole) == "part"
    assert stl10_share("stl10-train-64px", other) is None
    assert stl10_share("photos", whole) is None


@pytest.mark.parametrize("method", [method for method in TUNED if method in methods()])
def test_every_baseline_removes_noise(method: str) -> None:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    clean = torch.nn.functional.interpolate(coarse, 32, mode="bilinear")
    for noise, sigma in LEVELS.items():
        generator = torch.Generator().manual_seed(1)
        noisy = (clean + sigma * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
        module, settings = classical_method(method, noise)
        assert settings == TUNED[method][noise]
        cleaned = module(noisy)
        assert (cleaned - clean).square().mean() < 0.95 * (noisy - clean).square().mean()


def test_bm3d_is_left_out_with_a_note(tmp_path: Path, image_folder: Path) -> None:
    pytest.importorskip("skimage")
    try:
        import bm3d  # noqa: F401
    except ImportError:
        save_run(tmp_path / "runs/a", 1)
        data = TestDataConfig(dataset=str(image_folder), limit=1)
        results = compare(weights=tmp_path / "runs", data=data, baselines=True)
        assert "bm3d" not in results.methods
        assert any("non-commercial" in note for note in results.notes)
        assert {"gaussian", "median", "bilateral", "tv", "wavelet", "nlm"} <= set(results.methods)
    else:
        pytest.skip("bm3d is installed here")


def test_best_is_marked_per_column() -> None:
    def cell(method: str, psnr: float, ssim: float) -> Cell:
        return Cell(method=method, kind="model", batch_norm=True, noise="basic", psnr=psnr, ssim=ssim)

    results = Results(
        dataset="x",
        images=("a",),
        protocol="image",
        seed=0,
        device="cpu",
        versions={},
        costs={},
        cells=(cell("unet", 24.0, 0.70), cell("cae", 23.0, 0.75)),
    )
    (group,) = build_sheets(results)[0].groups
    assert [set(column.best) for column in group.columns] == [{0}, {1}]
