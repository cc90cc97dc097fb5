"""Weights as a folder for the Hugging Face hub, read back from the folder and from a server like the hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml

import denoise_cli
from denoise_cli.errors import OutputExists, UsageError, WeightsError
from denoise_cli.weights import hub
from denoise_cli.weights.card import read_card
from denoise_cli.weights.files import load_weights
from denoise_cli.weights.header import read_header
from denoise_cli.weights.hub import download, export_folder
from denoise_cli.weights.store import find_bundled, find_weights, label_of
from tests.conftest import Weights, run_here, write_images

REVISION = "0123456789abcdef0123456789abcdef01234567"


def front_matter(folder: Path) -> dict[str, object]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    values = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(values, dict)
    return values


def test_the_folder_is_read_back(weights: Weights, tmp_path: Path) -> None:
    path = weights("cnn_unet", True)
    export_folder(path, tmp_path / "out", overwrite=False)
    found = find_weights(str(tmp_path / "out"))
    assert found.read_bytes() == path.read_bytes()
    assert label_of(found) == "out"
    described = json.loads((tmp_path / "out/config.json").read_text())["denoise"]
    assert described["name"] == "cnn_unet"
    assert described["classes"] == list(read_header(path).classes)


def test_its_card_holds_the_scores(tmp_path: Path) -> None:
    """As the hub's own reader understands them."""
    path = find_bundled("unet", batch_norm=True)
    export_folder(path, tmp_path / "out", overwrite=False)
    card = read_card(path.with_suffix(".json"))
    repocard = pytest.importorskip("huggingface_hub.repocard_data")
    _, results = repocard.model_index_to_eval_results(front_matter(tmp_path / "out")["model-index"])
    found = {(r.dataset_type, r.dataset_config, r.metric_type): r.metric_value for r in results}
    expected = {(s.set, s.noise, kind): getattr(s, kind) for s in card.scores for kind in ("psnr", "ssim")}
    assert found == expected
    assert len(found) == 2 * len(card.scores) > 10
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert all(f"| {score.psnr:.2f} |" in text for score in card.scores)
    assert all(limit in text for limit in card.limits)


def test_a_run_is_published_with_its_card(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 12, 16)
    train = ("train", "cae", "--dataset", "images", "--epochs", "2", "--batch-size", "4", "--out", "run")
    assert run_here(tmp_path, *train).returncode == 0
    scores = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    best = max(row["psnr"] for row in scores if row["event"] == "validation")
    card = read_card(tmp_path / "run/card.json")
    assert card.sha256 == hashlib.sha256((tmp_path / "run/best.safetensors").read_bytes()).hexdigest()
    assert [(s.set, s.noise, s.psnr, s.noisy_psnr) for s in card.scores] == [
        ("validation", "basic", best, None)
    ]
    assert card.training.steps == max(row["step"] for row in scores)
    assert card.training.recipe["model"] == "cae"
    done = run_here(tmp_path, "export", "--weights", "run", "--format", "hub")
    assert done.returncode == 0, done.stderr
    (result,) = front_matter(tmp_path / "run-hub")["model-index"][0]["results"]  # type: ignore[index]
    assert result["metrics"][0] == {"type": "psnr", "name": "PSNR (dB)", "value": best}
    # Another run in its place takes the card of the last one with it.
    again = run_here(tmp_path, *train, "--overwrite", "--seed", "1")
    assert again.returncode == 0, again.stderr
    assert read_card(tmp_path / "run/card.json").sha256 != card.sha256


def test_a_run_trained_on_names_what_it_began_with(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 12, 16)
    more = ("--dataset", "images", "--steps", "1", "--batch-size", "4", "--set", "init=cae-bn")
    assert run_here(tmp_path, "train", "cae", *more, "--out", "runs/mine").returncode == 0
    card = read_card(tmp_path / "runs/mine/card.json")
    before = read_card(find_bundled("cae", batch_norm=True).with_suffix(".json"))
    assert card.training.init == "cae-bn"
    assert card.training.start == before.training
    shown = json.loads(run_here(tmp_path, "models", "runs/mine", "--json").stdout)
    assert shown["sha256"] == card.sha256
    assert "validation, basic" in run_here(tmp_path, "models", "runs/mine").stdout


def test_the_card_of_a_classifier(image_folder: Path, tmp_path: Path) -> None:
    more = ("--dataset", image_folder, "--steps", "1", "--batch-size", "8", "--out", "run")
    assert run_here(tmp_path, "classify", "cnn", *more).returncode == 0
    card = read_card(tmp_path / "run/card.json")
    assert card.scores == ()
    assert card.classifier is not None and card.classifier.keys() == {"basic"}
    export_folder(find_weights(str(tmp_path / "run")), tmp_path / "out", overwrite=False)
    front = front_matter(tmp_path / "out")
    assert front["pipeline_tag"] == "image-classification"


def test_nothing_of_others_is_replaced(weights: Weights, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text('{"library_name": "transformers"}')
    for overwrite in (False, True):
        with pytest.raises(OutputExists, match="is no folder of exported weights"):
            export_folder(weights("cae", True), mine, overwrite=overwrite)
    assert sorted(path.name for path in mine.iterdir()) == ["config.json"]
    export_folder(find_bundled("cae", batch_norm=True), tmp_path / "out", overwrite=False)
    with pytest.raises(OutputExists, match="exists already"):
        export_folder(weights("cae", True), tmp_path / "out", overwrite=False)
    export_folder(weights("cae", True), tmp_path / "out", overwrite=True)
    # The card of the weights that were there before does not stay.
    assert not (tmp_path / "out/card.json").exists()


def test_weights_that_no_network_can_use_are_not_published(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(weights("cae", True).read_bytes()[:-100])
    with pytest.raises(WeightsError):
        export_folder(path, tmp_path / "out", overwrite=False)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Answers for the files of one repository as the hub does."""
    folder = tmp_path / "published"
    export_folder(find_bundled("cae", batch_norm=True), folder, overwrite=False)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> bytes | None:
            parts = self.path.split("?")[0].strip("/").split("/")
            known = parts[:3] == ["some", "denoiser", "resolve"] and parts[3] in {"main", "v2", REVISION}
            path = folder / parts[-1]
            if not known or not path.is_file():
                self.send_response(404)
                code = "EntryNotFound" if parts[:2] == ["some", "denoiser"] else "RepoNotFound"
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return data

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            data = self._answer()
            if data is not None:
                self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_weights_come_from_the_hub_by_name(server: str, tmp_path: Path) -> None:
    """Downloaded once; the second time, and where the hub is gone, from the cache."""
    pytest.importorskip("huggingface_hub")
    env = {**os.environ, "HF_ENDPOINT": server, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    env["HF_HUB_DISABLE_TELEMETRY"] = "1"

    def denoise(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "denoise_cli", *args],
            cwd=tmp_path, env=env | more, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    shutil.copy(Path(__file__).parents[2] / "examples/noisy.png", tmp_path / "a.png")
    done = denoise("denoise-image", "a.png", "--weights", "hf:some/denoiser")
    assert done.returncode == 0, done.stderr
    own = denoise("denoise-image", "a.png", "--weights", "cae-bn", "-o", "own.png")
    assert own.returncode == 0, own.stderr
    assert (tmp_path / "a.denoised.png").read_bytes() == (tmp_path / "own.png").read_bytes()
    away = denoise(
        "denoise-image", "a.png", "--weights", "hf:some/denoiser", "-o", "b.png",
        HF_HUB_OFFLINE="1",
    )  # fmt: skip
    assert away.returncode == 0, away.stderr
    missing = denoise("test", "--weights", "hf:some/other", "--dataset", "sample")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: hf:some/other cannot be downloaded: ")
    gone = denoise("test", "--weights", "hf:some/new", "--dataset", "sample", HF_HUB_OFFLINE="1")
    assert gone.returncode == 1
    assert "Traceback" not in gone.stderr and gone.stderr.startswith("Error: hf:some/new ")


def test_results_are_called_by_the_repository(tmp_path: Path) -> None:
    path = tmp_path / f"models--some--denoiser/snapshots/{REVISION}/model.safetensors"
    path.parent.mkdir(parents=True)
    shutil.copy(find_bundled("cae", batch_norm=True), path)
    assert label_of(path) == "denoiser"


@pytest.mark.parametrize("name", ["hf:", "hf:alone", "hf:a/b/c", "hf:../x", "hf:a/b@", "hf:a /b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="names no repository"):
        find_weights(name)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="need huggingface_hub, which is not installed"):
        download("hf:some/denoiser")


def test_a_folder_works_in_python(tmp_path: Path) -> None:
    denoise_cli.export("cae", tmp_path / "out")
    torch.testing.assert_close(
        load_weights(find_weights(str(tmp_path / "out")))[1].state_dict(),
        load_weights(find_bundled("cae", batch_norm=True))[1].state_dict(),
    )
