"""`compare --from`: files of other programs and hostile ones are refused, names shown as they are."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from denoise_cli.evaluation.comparison.charts import draw_sigma_curves, look
from denoise_cli.evaluation.comparison.results import Cell, Example, Picture, Results
from denoise_cli.evaluation.guidance.results import GuidanceResults, GuidedRun, Variant
from denoise_cli.evaluation.render import markdown, tables_of, write_folder
from tests.conftest import Command

HOSTILE = "../\x1b[2J[bold]$\\frac$ a|b <script> \x9b"


def picture(kind: str = "WEBP", size: tuple[int, int] = (16, 12)) -> str:
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def stored(name: str = "cae", noise: str = "basic", **fields: Any) -> dict[str, Any]:
    """Results as JSON has them, of one method with one example."""
    shown = tuple(
        Picture(title=title, webp=picture(), psnr=20.0, crop_psnr=None) for title in ("noisy", name)
    )
    results = Results(
        dataset=f"data/{name}",
        images=("a", "b"),
        protocol="image",
        seed=0,
        device=name,
        versions={name: name},
        costs={},
        cells=(
            Cell(
                method=name,
                kind="model",
                noise=noise,
                psnr=20.0,
                ssim=0.5,
                image_psnr=(19.0, 21.0),
                seconds_per_megapixel=1.0,
            ),
            Cell(method="other", kind="classical", noise=noise, settings={name: 1.0}, psnr=19.0),
            Cell(method=f"{name}2", kind="model", noise=noise, missing=name, make=name),
        ),
        examples=(Example(name=name, noise=noise, crop=(2, 3, 8), pictures=shown),),
        notes=(name,),
    )
    return {**json.loads(results.model_dump_json()), **fields}


def test_hostile_names_are_shown_as_they_are(denoise: Command, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(stored(HOSTILE)))
    done = denoise("compare", "--from", "r.json", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert not set("\x1b\x9b") & set(done.stdout + done.stderr) and "[bold]$\\frac$" in done.stdout
    inside = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"tables.md", "report.html", "psnr.png", "grid-basic.png"} <= inside
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "out"}
    table = (tmp_path / "out/tables.md").read_text()
    assert r"a\|b \<script\>" in table and "\x1b" not in table
    assert "<script> " not in (tmp_path / "out/report.html").read_text()
    for kind in ("json", "markdown"):
        again = denoise("compare", "--from", "r.json", "--format", kind)
        assert again.returncode == 0 and not set("\x1b\x9b") & set(again.stdout)
    assert json.loads(denoise("compare", "--from", "r.json", "--json").stdout)["notes"] == [HOSTILE]


def _example(**fields: Any) -> dict[str, Any]:
    return {"examples": [{**stored()["examples"][0], **fields}]}


def _pictures(*texts: str) -> dict[str, Any]:
    return _example(
        pictures=[{"title": "x", "webp": text, "psnr": None, "crop_psnr": None} for text in texts]
    )


POSTSCRIPT = base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n").decode()
CELL = {"method": "cae", "kind": "model", "noise": "basic"}


@pytest.mark.parametrize(
    "fields",
    [
        _example(noise="../../x"),
        _example(noise="/etc/x"),
        _example(pictures=[]),
        _example(crop=[0, 0, 13]),
        _example(crop=[-1, 0, 4]),
        _example(crop=[0, 0, 0]),
        _example(crop=[10**30, 0, 4]),
        _pictures(POSTSCRIPT),
        _pictures(picture("PNG")),
        _pictures("%%%"),
        _pictures(picture()[:-40]),
        _pictures(picture(size=(2000, 8))),
        _pictures(picture(), picture(size=(8, 8))),
        _pictures(*[picture()] * 65),
        {"examples": stored()["examples"] * 17},
        {"cells": [CELL | {"noise": "$\\frac$"}]},
        {"cells": [CELL | {"image_psnr": [1.0]}]},
        {"cells": [CELL | {"psnr": float("nan")}]},
        {"cells": [CELL | {"psnr": 1e300}]},
        {"cells": [CELL | {"seconds_per_megapixel": -1}]},
        {"cells": [CELL | {"method": str(number)} for number in range(201)]},
        {"cells": 7},
        {"format": 2},
        {"results": "of another program"},
        {"kind": "guidance"},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_what_cannot_be_shown_is_refused(denoise: Command, tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / "r.json").write_text(json.dumps(stored(**fields)))
    done = denoise("compare", "--from", "r.json", "-o", "out/r.html")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "r.json" in done.stderr and len(done.stderr) < 1000
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b"%PDF-1.7", b"9" * 5000, b'{"a": 1}']
)
def test_files_of_other_programs(denoise: Command, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.json").write_bytes(data)
    for output in ((), ("-o", "r.json")):  # What is there is no result of this command either.
        done = denoise("compare", "--from", "r.json", *output)
        assert done.returncode == 1 and "r.json" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "r.json").read_bytes() == data


def test_a_comparison_of_guidance_stays_in_its_folder(tmp_path: Path) -> None:
    plain = Variant(model="unet", source="none", injection=None, batch_norm=True)
    guided = Variant(model="cnn_unet", source="predicted", injection="concat", batch_norm=True)
    scores = {"psnr": (20.0, 21.0), "ssim": (0.5, 0.6), "right": "10", "weights": "w", "sha256": "s"}
    runs = tuple(
        GuidedRun(variant=variant, noise=noise, trained_on=f"../{HOSTILE}", seed=0, **scores)
        for variant in (plain, guided)
        for noise in ("gaussian:0.1", "gaussian:0.2")
    )
    results = GuidanceResults(
        dataset=HOSTILE, images=("a", "b"), seed=0, device="cpu", versions={}, runs=runs, notes=(HOSTILE,)
    )
    write_folder(results, tmp_path / "in/out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.suffix for path in (tmp_path / "in/out").glob("gain-*")] == [".png"]
    assert r"\<script\>" in markdown(*tables_of(results))


def test_more_methods_than_colours_are_told_apart() -> None:
    assert len({tuple(look(number).items()) for number in range(64)}) == 64
    cells = tuple(
        Cell(method=f"m{number}", kind="model", noise=noise, psnr=20.0 + number)
        for number in range(20)
        for noise in ("gaussian:0.1", "gaussian:0.2")
    )
    results = Results(**stored() | {"cells": cells})
    lines = draw_sigma_curves(results).axes[0].get_lines()
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 20
