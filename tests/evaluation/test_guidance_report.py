"""Gains against numpy, and the report's page from stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denoise_cli.errors import DataError
from denoise_cli.evaluation.guidance.chart import draw_gains
from denoise_cli.evaluation.guidance.gains import build_rows
from denoise_cli.evaluation.guidance.results import GuidanceResults, GuidedRun, Variant, read_guidance
from denoise_cli.evaluation.guidance.tables import build_guidance_sheets
from denoise_cli.evaluation.scores.intervals import estimate_mean
from tests.conftest import load_script

PAGE = "# Guidance\n\nBefore.\n\n<!-- results: gains.json -->\nstale\n<!-- end of results -->\n\nAfter.\n"
COUNT = 12
RIGHT = "110100111010"


def variant(source: Any, injection: Any = "concat") -> Variant:
    if source == "none":
        return Variant(model="unet", source="none", injection=None, batch_norm=True)
    return Variant(model="resnet_unet", source=source, injection=injection, batch_norm=True)


def values(seed: int, gain: float, noise: str) -> np.ndarray:
    """The plain U-Net's PSNR of a seed, plus a gain that differs by image."""
    base = np.random.default_rng([seed, len(noise)]).normal(25, 2, COUNT).round(4)
    spread = np.random.default_rng(7).normal(1, 0.1, COUNT)
    return np.asarray(base + gain * spread)


def run(source: Any, seed: int, gain: float, noise: str = "basic", injection: Any = "concat") -> GuidedRun:
    psnr = values(seed, gain, noise)
    return GuidedRun(
        variant=variant(source, injection),
        noise=noise,
        trained_on="basic",
        seed=seed,
        weights="runs/a",
        sha256="0" * 64,
        psnr=tuple(psnr),
        ssim=tuple(psnr / 40),
        right="" if source == "none" else RIGHT,
    )


def results(**fields: Any) -> GuidanceResults:
    runs = [
        run(source, seed, gain + 0.05 * seed * (gain > 0), noise)
        for noise in ("basic", "gaussian:0.1")
        for seed in (0, 1)
        for source, gain in (("oracle", 0.3), ("none", 0.0), ("predicted", 0.1), ("shuffled", -0.02))
    ]
    stored = GuidanceResults(
        dataset="data/stl10-part/",
        images=tuple(f"{number}.png" for number in range(COUNT)),
        seed=0,
        device="cpu",
        versions={"torch": "2"},
        runs=tuple(runs),
        notes=("One run failed.",),
    )
    return stored.model_copy(update=fields)


def test_gains_are_paired_by_image_and_seed() -> None:
    rows = {row.variant.source: row for row in build_rows(results(), "basic", True)}
    assert list(rows) == ["none", "predicted", "oracle", "shuffled"]
    assert rows["none"].psnr_gain is None
    assert rows["none"].psnr == pytest.approx(np.mean([values(seed, 0, "basic") for seed in (0, 1)]))
    differences = np.array([values(s, 0.3 + 0.05 * s, "basic") - values(s, 0, "basic") for s in (0, 1)])
    oracle = rows["oracle"]
    gain = oracle.psnr_gain
    assert gain is not None
    assert gain.interval is not None
    assert gain.mean == pytest.approx(differences.mean())
    # The plain scores vary by 2 dB from image to image, the paired differences by 0.03 dB.
    assert 0 < gain.interval[0] < gain.mean < gain.interval[1]
    assert gain.interval[1] - gain.interval[0] < 0.1
    assert oracle.seeds == pytest.approx(differences.mean(1))
    right = np.array([digit == "1" for digit in RIGHT])
    assert oracle.where_right is not None
    assert oracle.where_wrong is not None
    assert oracle.where_right.mean == pytest.approx(differences[:, right].mean())
    assert oracle.where_wrong.mean == pytest.approx(differences[:, ~right].mean())
    assert (oracle.where_right.count, oracle.where_wrong.count) == (7, 5)
    assert oracle.accuracy == pytest.approx(7 / 12)
    assert oracle.ssim_gain is not None
    assert oracle.ssim_gain.mean == pytest.approx(differences.mean() / 40)


def test_gains_over_the_network_told_of_another_picture() -> None:
    """Those tell what a label is worth from what more parameters are."""
    rows = {row.variant.source: row for row in build_rows(results(), "basic", True)}
    for source in ("none", "shuffled"):
        assert rows[source].over_shuffled is None
        assert rows[source].seeds_over_shuffled == ()
    differences = np.array([values(s, 0.3 + 0.05 * s, "basic") - values(s, -0.02, "basic") for s in (0, 1)])
    oracle = rows["oracle"]
    assert oracle.over_shuffled is not None
    assert oracle.over_shuffled.mean == pytest.approx(differences.mean())
    assert oracle.seeds_over_shuffled == pytest.approx(differences.mean(1))
    assert oracle.seeds_interval_over_shuffled == pytest.approx(estimate_mean(differences.mean(1)).interval)
    # Another injection has other parameters, and no control of its own here.
    film = results(runs=(*results().runs, run("oracle", 0, 0.4, injection="film")))
    assert build_rows(film, "basic", True)[-1].over_shuffled is None
    titles = [group.columns[0].title for group in build_guidance_sheets(results())[0].groups]
    assert titles[-2:] == ["gain over shuffled, dB", "its seeds, dB"]
    alone = results(runs=tuple(r for r in results().runs if r.variant.source != "shuffled"))
    assert len(build_guidance_sheets(alone)[0].groups) == len(titles) - 2


def test_seeds_of_an_image_are_drawn_together() -> None:
    """Were they drawn alone, two equal seeds would make an interval narrower than one seed's."""
    both = results()
    twice = [r.model_copy(update={"seed": seed}) for r in both.runs if r.seed == 0 for seed in (0, 1)]
    one = results(runs=tuple(r for r in both.runs if r.seed == 0))
    (narrow,) = (r for r in build_rows(one, "basic", True) if r.variant.source == "oracle")
    (same,) = (
        r for r in build_rows(results(runs=tuple(twice)), "basic", True) if r.variant.source == "oracle"
    )
    assert narrow.psnr_gain is not None
    assert same.psnr_gain is not None
    assert same.psnr_gain.interval == pytest.approx(narrow.psnr_gain.interval)
    assert narrow.seeds_interval is None


def test_interval_over_seeds_against_students_t_in_closed_form() -> None:
    assert estimate_mean([0.1]).interval is None
    # One degree of freedom is the Cauchy distribution; half the width of two values is |a - b| / 2.
    half = np.tan(np.pi * 0.475) * 0.1
    assert estimate_mean([0.1, 0.3]).interval == pytest.approx((0.2 - half, 0.2 + half))
    three = np.array([0.1, 0.3, 0.2])
    half = 0.95 * (2 / (1 - 0.95**2)) ** 0.5 * three.std(ddof=1) / 3**0.5
    assert estimate_mean(three).interval == pytest.approx((0.2 - half, 0.2 + half))
    # Many: 1.9600 of the normal distribution.
    many = np.tile([-1.0, 1.0], 50_000)
    assert estimate_mean(many).interval == pytest.approx((-1.95996 / 1e5**0.5, 1.95996 / 1e5**0.5), rel=1e-4)


def test_a_run_without_its_pair_has_no_gain() -> None:
    runs = tuple(r for r in results().runs if r.seed == 0 or r.variant.source == "oracle")
    runs = tuple(r for r in runs if r.variant.source != "none" or r.noise != "basic")
    (oracle,) = (r for r in build_rows(results(runs=runs), "basic", True) if r.variant.source == "oracle")
    assert oracle.psnr_gain is None
    assert oracle.seeds == ()
    assert "-" in {
        value
        for group in build_guidance_sheets(results(runs=runs))[0].groups
        for value in group.columns[0].values
    }


def test_injections_are_named_where_there_are_several() -> None:
    assert build_guidance_sheets(results())[0].rows == ("none", "predicted", "oracle", "shuffled")
    both = results(runs=(*results().runs, run("oracle", 0, 0.4, injection="film")))
    assert build_guidance_sheets(both)[0].rows == (
        "none",
        "predicted, concat",
        "oracle, concat",
        "shuffled, concat",
        "oracle, film",
    )


def test_the_figure_has_a_line_per_source_by_noise_level() -> None:
    ((name, figure),) = draw_gains(results()).items()
    assert name == "gain-basic-bn"
    (axes,) = figure.axes
    lines = {container.get_label(): container[0].get_xdata() for container in axes.containers}
    assert {label: list(x) for label, x in lines.items()} == {
        source: [0.1, 0.2] for source in ("predicted", "oracle", "shuffled")
    }
    assert draw_gains(results(runs=(run("none", 0, 0, "intense"), run("zero", 0, 0, "intense")))) == {}


def update(*arguments: str | Path) -> str | int | None:
    """What the script ends with: nothing or 0, or its message."""
    try:
        load_script("update_guidance").main([str(each) for each in arguments])
    except SystemExit as end:
        return end.code
    return None


def test_the_page_is_made_from_stored_results_by_one_command(tmp_path: Path) -> None:
    page, stored = tmp_path / "guidance.md", tmp_path / "gains.json"
    page.write_text(PAGE)
    stored.write_text(results().model_dump_json())
    assert "the results changed" in str(update("--check", "--page", page))
    assert not update("--page", page)
    text = page.read_text()
    assert text.startswith("# Guidance\n\nBefore.\n\n<!-- results: gains.json -->\n### basic, BN on")
    assert text.endswith("<!-- end of results -->\n\nAfter.\n")
    assert "stale" not in text
    rows = {row.variant.source: row for row in build_rows(results(), "basic", True)}
    gain = rows["oracle"].psnr_gain
    assert gain is not None
    assert gain.interval is not None
    assert f"| oracle | {rows['oracle'].psnr:.3f} |" in text
    assert f"{gain.mean:+.3f} ({gain.interval[0]:+.3f} to {gain.interval[1]:+.3f})" in text
    assert "| 58.3 % |" in text
    assert "- One run failed." in text
    assert "![Gain against the noise level](gains-gain-basic-bn.png)" in text
    assert (tmp_path / "gains-gain-basic-bn.png").stat().st_size > 1000
    assert not update("--check", "--page", page)
    changed = results(runs=results().runs[1:])
    stored.write_text(changed.model_dump_json())
    assert "update_guidance.py" in str(update("--check", "--page", page))


def test_each_block_of_the_page_has_its_own_results(tmp_path: Path) -> None:
    page = tmp_path / "guidance.md"
    page.write_text(PAGE + PAGE.replace("gains.json", "more.json"))
    (tmp_path / "gains.json").write_text(results().model_dump_json())
    assert "more.json does not hold a comparison of guidance" in str(update("--page", page))
    assert "stale" in page.read_text()
    (tmp_path / "more.json").write_text(results(dataset="data/other").model_dump_json())
    assert not update("--page", page)
    first, second = page.read_text().split("After.\n", 1)
    assert "stl10-part, 12 images" in first
    assert "other, 12 images" in second
    assert (tmp_path / "more-gain-basic-bn.png").is_file()
    page.write_text("# Nothing\n")
    assert "has no block for results" in str(update("--page", page))


def test_results_that_are_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"kind": "guidance"}')
    with pytest.raises(DataError, match="does not hold a whole comparison of guidance"):
        read_guidance(path)
    path.write_text('{"format": 1}')
    assert read_guidance(path) is None
    assert read_guidance(tmp_path / "absent.json") is None
    path.write_text(results().model_dump_json())
    assert read_guidance(path) == results()


def test_the_project_s_own_page_is_up_to_date() -> None:
    assert not update("--check")
