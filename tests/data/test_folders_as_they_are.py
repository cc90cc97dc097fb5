"""Folders as people and systems leave them: links, hidden files, splits of any name, our own results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from denoise_cli.data.folder import find_split, load_folder, split_root
from denoise_cli.data.load import is_paired_dataset, load_dataset
from denoise_cli.data.pairs import has_part
from denoise_cli.data.pictures import list_pictures, read_size
from denoise_cli.data.source import Images
from denoise_cli.errors import DataError


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5)).save(path, "PNG")


def names(folder: Path, split: str = "train") -> tuple[str, ...]:
    source: Images = load_folder(folder, "train" if split == "train" else "test")
    return source.names


def test_linked_class_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    put(tmp_path / "pool/cats/a.png", tmp_path / "pool/more/deep/b.png", tmp_path / "set/ship/c.png")
    (tmp_path / "set/cat").symlink_to(tmp_path / "pool/cats")
    (tmp_path / "set/dog").symlink_to("../pool/more")
    (tmp_path / "set/ship/again").symlink_to(tmp_path / "set")
    (tmp_path / "set/ship/up").symlink_to("..")
    (tmp_path / "set/gone").symlink_to("nowhere")
    (tmp_path / "set/cat/file.png").symlink_to(tmp_path / "set/ship/c.png")
    source = load_folder(tmp_path / "set", "train")
    assert source.names == ("cat/a.png", "cat/file.png", "dog/deep/b.png", "ship/c.png")
    assert source.classes == ("cat", "dog", "ship")
    (tmp_path / "link").symlink_to("set")
    assert names(tmp_path / "link") == source.names


def test_many_links_to_each_other_are_read_once(tmp_path: Path) -> None:
    for number in range(12):
        put(tmp_path / f"{number:02d}/a.png")
        for other in range(12):
            (tmp_path / f"{number:02d}/to{other}").symlink_to(tmp_path / f"{other:02d}")
    assert len(list_pictures(tmp_path)) == 12


def test_what_systems_leave_is_no_class_and_no_picture(tmp_path: Path) -> None:
    put(tmp_path / ".hidden/set/cat/a.png", tmp_path / ".hidden/set/dog/b.png")
    root = tmp_path / ".hidden/set"  # The folder that the user names may be hidden.
    for name in (
        "__MACOSX/cat/a.png",
        ".ipynb_checkpoints/a.png",
        "cat/._a.png",
        "@eaDir/a.png",
        ".git/x.png",
    ):
        put(root / name)
    (root / "cat/Thumbs.db").write_bytes(b"x")
    (root / "desktop.ini").write_bytes(b"x")
    source = load_folder(root, "train")
    assert source.names == ("cat/a.png", "dog/b.png") and source.classes == ("cat", "dog")
    assert source.skipped == ()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("TRAINING", "val"),
        ("train", "Valid"),
        ("train", "validation"),
        ("train", "Testing"),
    ],
)
def test_splits_of_any_name(tmp_path: Path, train: str, test: str) -> None:
    put(tmp_path / train / "cat/a.png", tmp_path / test / "cat/b.png")
    assert (names(tmp_path), names(tmp_path, "test")) == (("cat/a.png",), ("cat/b.png",))


def test_a_test_folder_comes_before_a_validation_folder(tmp_path: Path) -> None:
    put(tmp_path / "train/a.png", tmp_path / "val/b.png", tmp_path / "Test/c.png")
    assert names(tmp_path, "test") == ("c.png",)
    if not (tmp_path / "TRAIN").exists():  # the file system tells names by case
        put(tmp_path / "Train/d.png")
        assert names(tmp_path) == ("a.png",)
    (tmp_path / "val/b.png").unlink()
    with pytest.raises(DataError, match="There is no folder"):
        split_root(tmp_path / "none", "test")
    assert find_split(tmp_path / "val", "train") is None


def test_pairs_in_splits_of_any_name(tmp_path: Path) -> None:
    for split in ("Train", "Val"):
        put(tmp_path / split / "Noisy/a.png", tmp_path / split / "clean/a.png")
    assert is_paired_dataset(str(tmp_path)) and has_part(tmp_path, "test")
    for split in ("train", "test"):
        source = load_dataset(str(tmp_path), "train" if split == "train" else "test")
        assert len(source) == 1 and source.noisy is not None
    assert not is_paired_dataset(str(tmp_path / "nowhere"))


def test_results_inside_the_data_folder_are_no_data(tmp_path: Path) -> None:
    put(tmp_path / "a.png", tmp_path / "photos/b.png")
    for folder, files in (
        ("run", ("config.yaml", "metrics.jsonl", "curve.png", "test/confusion.png")),
        ("runs/deep/run", ("config.yaml", "metrics.jsonl", "curve.png")),
        ("compared", ("results.json", "tables.md", "psnr.png")),
        ("results/tested", ("scores.json", "pictures.png")),
    ):
        put(*(tmp_path / folder / file for file in files))
    put(tmp_path / "photos/results.json")  # A file of this name alone is the user's.
    assert names(tmp_path) == ("a.png", "photos/b.png")


def test_other_formats_under_a_pictures_name_are_skipped_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.png")
    ghost = tmp_path / "bin/gs"
    ghost.parent.mkdir()
    ghost.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    ghost.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghost.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "b.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    Image.new("RGB", (6, 5)).save(tmp_path / "c.png", "GIF")
    Image.new("RGB", (6, 5)).save(tmp_path / "d.png", "JPEG")  # Only its name is wrong.
    source = load_folder(tmp_path, "train")
    assert source.names == ("a.png", "d.png")
    assert [text.split(":")[0] for text in source.skipped] == ["b.png", "c.png"]
    assert isinstance(read_size(tmp_path / "b.png"), str) and not (tmp_path / "called").exists()


def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path / "cat/a.png", tmp_path / "dog/b.png")
    (tmp_path / "dog").chmod(0)
    try:
        found = [path.name for path in list_pictures(tmp_path)]
    finally:
        (tmp_path / "dog").chmod(0o755)
    assert "a.png" in found
