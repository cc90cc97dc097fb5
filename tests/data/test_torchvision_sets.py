"""The real torchvision loaders on files of the real layout, served from this machine."""

from __future__ import annotations

import hashlib
import io
import pickle
import socket
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from denoise_cli.data.classes import CLASSES
from denoise_cli.data.load import load_dataset
from denoise_cli.data.torchvision_sets import default_data_dir
from denoise_cli.errors import DataError

TRAIN, TEST = 7, 4


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def pixels(count: int, side: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count) % 10


def stl10_files() -> dict[str, bytes]:
    """STL-10's own format: column-major planes, labels from 1."""
    files = {"class_names.txt": "\n".join(CLASSES["stl10"]).encode(), "fold_indices.txt": b"0 1 2"}
    for split, count, seed in (("train", TRAIN, 0), ("test", TEST, 1)):
        files[f"{split}_X.bin"] = pixels(count, 96, seed).transpose(0, 1, 3, 2).tobytes()
        files[f"{split}_y.bin"] = (labels(count) + 1).astype(np.uint8).tobytes()
    return files | {"unlabeled_X.bin": pixels(2, 96, 2).tobytes()}


def cifar10_files() -> dict[str, bytes]:
    """CIFAR-10's Python version: pickled rows of 3072 values; two images in each training batch."""
    files = {"batches.meta": pickle.dumps({"label_names": list(CLASSES["cifar10"])}, 2)}
    for number in range(6):
        name = f"data_batch_{number + 1}" if number < 5 else "test_batch"
        batch = {"data": pixels(2, 32, number).reshape(2, -1), "labels": [number, 9]}
        files[name] = pickle.dumps(batch, 2)
    return files


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A web server with both archives, which torchvision takes for the official ones."""
    site = tmp_path / "site"
    site.mkdir()
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for kind, files in ((datasets.STL10, stl10_files()), (datasets.CIFAR10, cifar10_files())):
            archive = pack(kind.base_folder, files)
            (site / kind.filename).write_bytes(archive)
            monkeypatch.setattr(kind, "url", f"http://127.0.0.1:{running.server_address[1]}/{kind.filename}")
            monkeypatch.setattr(kind, "tgz_md5", md5(archive))
            for attribute in ("train_list", "test_list"):
                wanted = [[name, md5(files[name])] for name, _ in getattr(kind, attribute)]
                monkeypatch.setattr(kind, attribute, wanted)
        meta = datasets.CIFAR10.meta | {"md5": md5(cifar10_files()["batches.meta"])}
        monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
        yield site
        running.shutdown()


def pack(folder: str, files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_stl10(server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = load_dataset("STL10", "train", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(np.stack([train.image(i) for i in range(TRAIN)]), pixels(TRAIN, 96, 0))
    assert train.labels is not None and train.labels.tolist() == labels(TRAIN).tolist()
    assert train.classes == CLASSES["stl10"] and train.names[3] == "train/00003"
    # The second split needs neither the network nor the unlabelled images.
    for path in (server / "stl10_binary.tar.gz", tmp_path / "data/stl10_binary/unlabeled_X.bin"):
        path.unlink()
    test = load_dataset("stl10", "test", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(np.stack([test.image(i) for i in range(TEST)]), pixels(TEST, 96, 1))
    assert capsys.readouterr().out == ""


def test_cifar10(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "env"))
    train, test = (load_dataset("Cifar10", split) for split in ("train", "test"))
    assert (tmp_path / "env/cifar-10-batches-py/data_batch_5").is_file()
    np.testing.assert_array_equal(train.image(3), pixels(2, 32, 1)[1])
    np.testing.assert_array_equal(test.image(0), pixels(2, 32, 5)[0])
    assert train.labels is not None and train.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert len(test) == 2 and train.uniform_size == (32, 32)


def test_the_class_names_are_those_of_the_files(server: Path, tmp_path: Path) -> None:
    load_dataset("stl10", "train", data_dir=tmp_path)
    load_dataset("cifar10", "train", data_dir=tmp_path)
    assert tuple(datasets.STL10(tmp_path).classes) == CLASSES["stl10"]
    assert tuple(datasets.CIFAR10(tmp_path).classes) == CLASSES["cifar10"]


def expect_help(name: str, folder: Path) -> str:
    kind = {"stl10": datasets.STL10, "cifar10": datasets.CIFAR10}[name]
    with pytest.raises(DataError) as caught:
        load_dataset(name, "train", data_dir=folder)
    assert str(folder / kind.base_folder) in str(caught.value)
    for part in (kind.url, str(folder / kind.filename), kind.tgz_md5, "--data-dir", "--dataset sample"):
        assert part in caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("name", ["stl10", "cifar10"])
def test_the_network_is_down(
    name: str, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        kind = {"stl10": datasets.STL10, "cifar10": datasets.CIFAR10}[name]
        monkeypatch.setattr(kind, "url", f"http://127.0.0.1:{unused.getsockname()[1]}/{kind.filename}")
        message = expect_help(name, tmp_path / "data")
    assert "refused" in message and {"stl10": "train_X.bin", "cifar10": "data_batch_1"}[name] in message


@pytest.mark.parametrize("name", ["stl10", "cifar10"])
def test_a_download_that_is_cut_off_is_not_used_and_is_done_again(
    name: str, server: Path, tmp_path: Path
) -> None:
    kind = {"stl10": datasets.STL10, "cifar10": datasets.CIFAR10}[name]
    whole = (server / kind.filename).read_bytes()
    (server / kind.filename).write_bytes(whole[: len(whole) // 2])
    assert "lacks" in expect_help(name, tmp_path / "data")
    (server / kind.filename).write_bytes(whole)
    assert len(load_dataset(name, "test", data_dir=tmp_path / "data")) > 0


def test_a_half_written_file_is_extracted_again(server: Path, tmp_path: Path) -> None:
    load_dataset("cifar10", "train", data_dir=tmp_path)
    batch = tmp_path / "cifar-10-batches-py/data_batch_2"
    batch.write_bytes(batch.read_bytes()[:100])
    assert len(load_dataset("cifar10", "train", data_dir=tmp_path)) == 10
    batch.write_bytes(b"")
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    (server / "cifar-10-python.tar.gz").unlink()
    assert "cut off or changed" in expect_help("cifar10", tmp_path)


def test_a_folder_that_cannot_be_written(server: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    expect_help("cifar10", tmp_path / "file")


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DENOISE_DATA_DIR", raising=False)
    assert default_data_dir().name == "denoise"
