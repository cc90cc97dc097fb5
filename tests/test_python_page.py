"""The scripts of docs/python.md run as they stand, and say what the commands say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import denoise_cli
from denoise_cli import compare, evaluate, export, load_model, train
from denoise_cli.config import TrainConfig
from denoise_cli.errors import ConfigError, OutputExists, UsageError
from tests.conftest import write_images

ROOT = Path(__file__).parents[1]
SCRIPTS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_scripts_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert len(SCRIPTS) == 4
    for script in SCRIPTS:
        assert len(script.splitlines()) <= 20
        exec(compile(script, "docs/python.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "<PhotoDenoiser unet on " in printed
    assert "<Evaluation of cae on 6 images of sample, basic noise: " in printed
    assert "<Results of 3 methods on 4 images of sample: basic, awgn:25>" in printed
    for name in ("clean.png", "runs/mine/last.safetensors", "photo_unet.onnx", "photo_unet.dtmodel"):
        assert (tmp_path / name).is_file()


def test_frames_hold_the_scores(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_images(tmp_path / "images", 4, 32)
    scores = evaluate({"model": "cae", "data": {"dataset": "images"}, "out": "scores"})
    frame = scores.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["image", "psnr", "ssim", "noisy_psnr", "noisy_ssim"]
    assert frame.psnr.mean() == pytest.approx(scores.psnr, abs=1e-5)
    named = evaluate({"model": "cae-bn", "data": {"dataset": "images"}, "out": "named"})
    assert named.psnr == pytest.approx(scores.psnr, abs=1e-6)
    results = compare({"networks": ["cae-bn"], "noise": ["basic"], "data.dataset": "images"})
    table = results.to_frame().set_index("method")
    assert table.loc["cae-bn", "psnr"] == pytest.approx(scores.psnr, abs=1e-5)
    low, high = scores.summary.psnr_interval or (0, 0)
    assert table.loc["cae-bn", ["psnr_low", "psnr_high"]].tolist() == pytest.approx([low, high], abs=1e-4)


def test_training_is_that_of_the_command(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 8, 32)
    settings: dict[str, Any] = {"data.dataset": "images", "steps": 2, "batch_size": 2, "optim": {"lr": 2e-3}}
    first = train({"model": "cae", "out": "a", **settings})
    assert (first.run, first.steps) == (Path("a"), 2)
    assert "lr: 0.002" in (tmp_path / "a/config.yaml").read_text()
    with pytest.raises(OutputExists):
        train({"model": "cae", "out": "a", **settings})
    assert train("a/config.yaml", {"steps": 3}, resume=True).steps == 3
    config = TrainConfig.model_validate(
        {"model": "cae", "out": "b", "data": {"dataset": "images"}, "steps": 1}
    )
    assert train(config).weights.is_file()
    assert repr(load_model("a")).startswith("<PhotoDenoiser cae on ")


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ConfigError, match="stepz"):
        train({"model": "cae", "stepz": 2})
    with pytest.raises(TypeError, match="not int"):
        train(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is complete"):
        train(TrainConfig.model_validate({"model": "cae"}), {"steps": 1})
    with pytest.raises(UsageError, match="trained already"):
        compare({"train": True})
    export("cae", "cae.onnx")
    with pytest.raises(OutputExists):
        export("cae", "cae.onnx")
    assert export("cae-nobn", "cae.onnx", overwrite=True) == Path("cae.onnx")
    with pytest.raises(UsageError, match=r"v1\.2 ends in \.2,"):
        export("cae", "v1.2")
    Path("v1.2").mkdir()
    assert (export("cae", "v1.2") / "model.safetensors").is_file()


def test_tables_need_pandas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_images(tmp_path / "images", 2, 32)
    scores = evaluate({"model": "cae", "data.dataset": "images", "out": "scores"})
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UsageError, match="pandas, which is not installed") as caught:
        scores.to_frame()
    assert "pip install pandas" in caught.value.hint
    assert denoise_cli.__version__
