"""Folders of images: splits, classes, damaged files, odd formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from denoise_cli.data.folder import load_folder
from denoise_cli.data.load import load_dataset
from denoise_cli.data.pictures import read_rgb, read_size
from denoise_cli.data.source import ImageSource
from denoise_cli.errors import DataError


def put(path: Path, size: tuple[int, int] = (6, 5), seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_splits_and_classes(tmp_path: Path) -> None:
    for number, name in enumerate(("train/dog/b.png", "train/cat/a.bmp", "train/cat/c.tif")):
        put(tmp_path / name, seed=number)
    pixels = put(tmp_path / "test/dog/x.webp.png", seed=9)
    train, test = load_folder(tmp_path, "train"), load_folder(tmp_path, "test")
    assert train.names == ("cat/a.bmp", "cat/c.tif", "dog/b.png")
    assert train.classes == ("cat", "dog") and train.labels is not None
    assert train.labels.tolist() == [0, 0, 1]
    assert test.classes == () and test.labels is None
    np.testing.assert_array_equal(test.image(0).permute(1, 2, 0).numpy(), pixels)


def test_a_folder_without_splits_is_one_set(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    put(tmp_path / "more/b.png")
    for split in ("train", "test"):
        source = load_dataset(str(tmp_path), split)
        assert source.names == ("a.png", "more/b.png") and source.labels is None


def test_a_missing_split_is_not_replaced_by_the_other(tmp_path: Path) -> None:
    put(tmp_path / "train/a.png")
    assert len(load_folder(tmp_path, "train")) == 1
    with pytest.raises(DataError, match="train/ but no test/"):
        load_folder(tmp_path, "test")


def test_damaged_files_are_skipped_and_named(tmp_path: Path) -> None:
    put(tmp_path / "cat/good.png")
    put(tmp_path / "dog/good.png")
    put(tmp_path / "dog/cut.png", size=(80, 80))
    whole = (tmp_path / "dog/cut.png").read_bytes()
    (tmp_path / "dog/cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cat/text.jpg").write_text("not a picture")
    (tmp_path / "cat/empty.webp").touch()
    source = load_folder(tmp_path, "train")
    assert source.names == ("cat/good.png", "dog/good.png")
    assert [reason.split(":")[0] for reason in source.skipped] == [
        "cat/empty.webp",
        "cat/text.jpg",
        "dog/cut.png",
    ]


def test_nothing_readable(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        load_folder(tmp_path / "none", "train")
    with pytest.raises(DataError, match="No images in"):
        load_folder(tmp_path, "train")
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(DataError, match="no readable images") as caught:
        load_folder(tmp_path, "train")
    assert "a.png" in caught.value.hint
    with pytest.raises(DataError, match="no data set or folder 'stl11'"):
        load_dataset("stl11", "train")


def test_a_limit_keeps_every_class(tmp_path: Path) -> None:
    for name in "abc":
        for number in range(5):
            put(tmp_path / f"{name}/{number}.png")
    source = load_folder(tmp_path, "train", limit=6)
    assert len(source) == 6 and source.labels is not None
    assert torch.bincount(source.labels).tolist() == [2, 2, 2]


def test_orientation_grey_and_sixteen_bits(tmp_path: Path) -> None:
    pixels = put(tmp_path / "plain.png", size=(8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("turned.png", "turned.webp"):
        Image.fromarray(pixels).save(tmp_path / name, exif=exif, lossless=True)
        assert read_size(tmp_path / name) == (16, 8)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.rot90(pixels, -1))
    deep = (np.arange(12).reshape(3, 4) * 5000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "deep.png")[..., 1], deep >> 8)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png")[..., 2], pixels[..., 0])


def test_small_folders_are_in_memory(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    assert isinstance(load_folder(tmp_path, "train"), ImageSource)
