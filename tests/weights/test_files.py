"""Weight files: what is written is read; what is not ours is refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from denoise_cli.errors import WeightsError
from denoise_cli.models.registry import CLASSIFIERS, DENOISERS
from denoise_cli.weights import store
from denoise_cli.weights.files import build, load_classifier, load_weights, save_weights
from denoise_cli.weights.header import KEY, WeightsHeader, read_header
from denoise_cli.weights.store import bundled_name, find_bundled, find_classifier, find_weights

CLASSES = ("airplane", "cat", "ship")


def _save(path: Path, kind: str = "denoiser", name: str = "cae", batch_norm: bool = True) -> WeightsHeader:
    guided = kind == "classifier" or DENOISERS[name].classifier is not None
    architecture = WeightsHeader(
        "denoiser" if kind == "denoiser" else "classifier",
        name,
        batch_norm,
        CLASSES if guided else (),
        32,
        "basic",
    )
    save_weights(path, build(architecture), architecture)
    return architecture


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize(
    ("kind", "name"), [("denoiser", n) for n in DENOISERS] + [("classifier", n) for n in CLASSIFIERS]
)
def test_what_is_saved_computes_the_same_when_loaded(
    tmp_path: Path, kind: str, name: str, batch_norm: bool
) -> None:
    torch.manual_seed(1)
    path = tmp_path / "w.safetensors"
    architecture = _save(path, kind, name, batch_norm)
    model = build(architecture).eval()
    save_weights(path, model, architecture)
    found, loaded = load_weights(path)
    x = torch.rand(2, 3, 32, 32)
    assert found == architecture == read_header(path)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_half_files_are_half_as_large(tmp_path: Path) -> None:
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    architecture = _save(full)
    _, model = load_weights(full)
    save_weights(half, model, architecture, half=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    _, loaded = load_weights(half)
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    for ours, theirs in zip(loaded.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3)


def test_a_pickle_is_refused_with_a_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({}, path)
    with pytest.raises(WeightsError, match="pickle") as caught:
        load_weights(path)
    assert "weights_only=True" in caught.value.hint


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(WeightsError, match="does not name its architecture"):
        load_weights(foreign)
    damaged = tmp_path / "damaged.safetensors"
    _save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(damaged)
    with pytest.raises(WeightsError, match="There is no weight file"):
        load_weights(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    "text", ['{"kind": "denoiser", "from_the_future": 1, "classes": []}', "{}", "no JSON"]
)
def test_an_architecture_that_is_not_known(tmp_path: Path, text: str) -> None:
    path = tmp_path / "later.safetensors"
    save_file({"a": torch.zeros(1)}, path, {KEY: text})
    with pytest.raises(WeightsError, match="does not know"):
        load_weights(path)


def test_a_run_folder_stands_for_its_best_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"best\.safetensors"):
        find_weights(str(tmp_path))
    _save(tmp_path / "last.safetensors")
    assert find_weights(str(tmp_path)).name == "last.safetensors"
    _save(tmp_path / "best.safetensors")
    assert find_weights(str(tmp_path)).name == "best.safetensors"
    with pytest.raises(WeightsError, match="no weight file or run folder"):
        find_weights(str(tmp_path / "absent"))


def test_a_guided_file_holds_its_classifier(tmp_path: Path) -> None:
    path = tmp_path / "guided.safetensors"
    _save(path, name="cnn_unet")
    architecture, classifier = load_classifier(path)
    assert classifier(torch.rand(1, 3, 50, 40)).shape == (1, len(architecture.classes))
    _save(path, name="unet")
    with pytest.raises(WeightsError, match="no classifier"):
        load_classifier(path)


@pytest.mark.parametrize(
    ("name", "batch_norm", "classes", "message"),
    [
        ("resnet", True, CLASSES, "holds no 'cnn' classifier"),
        ("cnn", False, CLASSES, "without batch norm"),
        ("cnn", True, ("airplane", "frog"), "does not know the class frog"),
    ],
)
def test_a_classifier_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, batch_norm: bool, classes: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "classifier.safetensors"
    _save(path, "classifier", name, batch_norm)
    with pytest.raises(WeightsError, match=message) as caught:
        find_classifier("cnn", True, classes, str(path))
    assert "denoise classify cnn" in caught.value.hint


def test_a_classifier_that_fits_is_found(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    _save(path, "classifier", "cnn")
    assert find_classifier("cnn", True, ("cat",), str(path)) == path
    _save(path, "denoiser", "cnn_unet")
    assert find_classifier("cnn", True, ("cat",), str(path)) == path


@pytest.mark.parametrize(("batch_norm", "flag"), [(True, ""), (False, " --no-batchnorm")])
def test_weights_that_are_not_bundled_say_how_to_make_them(
    monkeypatch: pytest.MonkeyPatch, batch_norm: bool, flag: str
) -> None:
    monkeypatch.setattr(store, "list_bundled", list)
    with pytest.raises(WeightsError, match="No weights are bundled for cnn") as caught:
        find_bundled("cnn", batch_norm)
    assert f"denoise train cnn{flag} --dataset" in caught.value.hint
    with pytest.raises(WeightsError, match="No 'cnn' classifier") as caught:
        find_classifier("cnn", batch_norm, (), None)
    assert f"denoise classify cnn{flag} --dataset" in caught.value.hint


def test_names_of_bundled_files() -> None:
    assert bundled_name("unet", True) == "unet-bn"
    assert bundled_name("unet", False) == "unet-nobn"
    assert bundled_name("photo_unet", True) == bundled_name("photo_unet", False) == "photo_unet"


def test_a_file_from_before_guidance_had_a_choice_is_the_studys(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    architecture = _save(path, name="cnn_unet")
    header = {
        name: value for name, value in asdict(architecture).items() if name not in {"guidance", "injection"}
    }
    save_file(load_file(path), path, {KEY: json.dumps(header)})
    assert load_weights(path)[0] == architecture
    assert (architecture.guidance, architecture.injection) == ("predicted", "concat")
