"""Folders of pairs: layouts, partners, what is left out, and crops of one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from denoise_cli.data.load import load_dataset
from denoise_cli.data.pairs import has_part, is_paired, match_exposure, paired_crops, without_pairs
from denoise_cli.data.source import ImageSource, centre_cropped, resized
from denoise_cli.data.streaming import StreamedSource
from denoise_cli.errors import DataError


def put(path: Path, pixels: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def scene(number: int, size: tuple[int, int] = (20, 30)) -> tuple[np.ndarray, np.ndarray]:
    """A clean picture, and a noisy one that is its exact negative: any crop tells its place."""
    clean = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
    return clean, 255 - clean


def put_pair(root: Path, noisy: str, clean: str, number: int = 0, size: tuple[int, int] = (20, 30)) -> None:
    pixels, negative = scene(number, size)
    put(root / noisy, negative)
    put(root / clean, pixels)


def check_negatives(root: Path, count: int, split: str = "test") -> None:
    for max_bytes in (None, 0):
        source = load_dataset(str(root), split, max_bytes=max_bytes)  # type: ignore[arg-type]
        assert source.noisy is not None
        assert len(source) == len(source.noisy) == count
        assert source.labels is None and source.classes == ()
        assert source.skipped == ()
        for index in range(count):
            assert torch.equal(source.noisy.image(index), 255 - source.image(index))


LAYOUTS = {
    "plain": ("noisy/{}.png", "clean/{}.png"),
    "upper case": ("Noisy/{}.PNG", "GT/{}.png"),
    "other words": ("lq/{}.png", "hq/{}.bmp"),
    "splits inside": ("noisy/test/{}.png", "clean/test/{}.png"),
    "splits around": ("test/input/{}.png", "test/target/{}.png"),
    "scenes inside": ("noisy/scene{}/a.png", "clean/scene{}/a.png"),
    "words in names": ("input/{}_noisy.png", "gt/{}_clean.png"),
    "SIDD": ("{}_S6/000{}_NOISY_SRGB_010.PNG", "{}_S6/000{}_GT_SRGB_010.PNG"),
    "PolyU": ("Canon_{}_Real.png", "Canon_{}_mean.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    noisy, clean = LAYOUTS[layout]
    for number in range(3):
        put_pair(tmp_path, noisy.format(number, number), clean.format(number, number), number)
    assert is_paired(tmp_path)
    check_negatives(tmp_path, 3)


def test_splits_are_kept_apart(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "train", "test")):
        put_pair(tmp_path / "a", f"{split}/noisy/{number}.png", f"{split}/clean/{number}.png", number)
        put_pair(tmp_path / "b", f"noisy/{split}/{number}.png", f"clean/{split}/{number}.png", number)
    put_pair(tmp_path / "c", "noisy/0.png", "clean/0.png")
    for root in (tmp_path / "a", tmp_path / "b"):
        check_negatives(root, 2, "train")
        check_negatives(root, 1, "test")
        assert has_part(root, "train")
    assert not has_part(tmp_path / "c", "train")
    assert not has_part(tmp_path / "nowhere", "train")


def test_the_ending_does_not_matter(tmp_path: Path) -> None:
    clean, noisy = scene(0)
    put(tmp_path / "noisy/Shot 1.JPG", noisy)
    put(tmp_path / "clean/shot-1.png", clean)
    source = load_dataset(str(tmp_path), "test")
    assert source.names == ("clean/shot-1.png",)


def test_classes_that_are_called_like_a_half_stay_classes(tmp_path: Path) -> None:
    for name in ("cat", "input", "dog"):
        put(tmp_path / name / "0.png", scene(0)[0])
    assert not is_paired(tmp_path)
    source = load_dataset(str(tmp_path), "train")
    assert source.noisy is None and source.classes == ("cat", "dog", "input")
    put(tmp_path / "files/mean_shift.png", scene(0)[0])
    put(tmp_path / "files/zebra.png", scene(0)[0])
    assert not is_paired(tmp_path / "files")


def test_shots_of_one_scene_belong_together(tmp_path: Path) -> None:
    for number, name in enumerate(("a/1", "a/2", "b/1")):
        put_pair(tmp_path, f"{name}_NOISY.PNG", f"{name}_GT.PNG", number)
    for max_bytes in (None, 0):
        source = load_dataset(str(tmp_path), "test", max_bytes=max_bytes)
        assert source.groups is not None and source.groups.tolist() == [0, 0, 1]
        kept = source.subset([2, 0]).groups
        assert kept is not None and kept.tolist() == [1, 0]


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    put_pair(tmp_path, "noisy/good.png", "clean/good.png")
    put(tmp_path / "noisy/lonely.png", scene(1)[0])
    put(tmp_path / "clean/alone.png", scene(1)[0])
    put_pair(tmp_path, "noisy/sizes.png", "clean/sizes.png")
    put(tmp_path / "noisy/sizes.png", scene(1, (30, 20))[0])
    put_pair(tmp_path, "noisy/text.png", "clean/text.png")
    (tmp_path / "noisy/text.png").write_text("not a picture")
    put(tmp_path / "noisy/good.bmp", scene(1)[0])
    for max_bytes in (None, 0):
        source = load_dataset(str(tmp_path), "test", max_bytes=max_bytes)
        # The one that comes first has the name.
        assert source.names == ("clean/good.png",)
        said = "\n".join(source.skipped)
        for words in (
            "noisy/lonely.png: no clean picture of this name",
            "clean/alone.png: no noisy picture of this name",
            "noisy/sizes.png: 20x30 pixels, but clean/sizes.png has 30x20",
            "noisy/text.png: ",
            "noisy/good.png: its name pairs with the same as noisy/good.bmp",
        ):
            assert words in said
        assert len(source.skipped) == 5


@pytest.mark.parametrize(("half", "lacking"), [("noisy", "clean"), ("GT", "noisy")])
def test_a_missing_half_is_named(tmp_path: Path, half: str, lacking: str) -> None:
    put(tmp_path / half / "a.png", scene(0)[0])
    with pytest.raises(DataError, match=f"has {half}/, but no {lacking}/") as caught:
        load_dataset(str(tmp_path), "test")
    assert f"{lacking}/ or" in caught.value.hint


def test_no_pair_at_all(tmp_path: Path) -> None:
    put(tmp_path / "noisy/a.png", scene(0)[0])
    put(tmp_path / "clean/b.png", scene(0)[0])
    with pytest.raises(DataError, match="no pair of a noisy and a clean picture") as caught:
        load_dataset(str(tmp_path), "test")
    assert "noisy/a.png: no clean picture" in caught.value.hint
    put_pair(tmp_path / "c", "train/noisy/a.png", "train/clean/a.png")
    put(tmp_path / "c/test/b.png", scene(0)[0])
    with pytest.raises(DataError, match="test holds no pairs"):
        load_dataset(str(tmp_path / "c"), "test")


def test_turned_deep_and_grey_halves(tmp_path: Path) -> None:
    clean, noisy = scene(0, (8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    put(tmp_path / "noisy/turned.png", noisy, exif=exif)
    put(tmp_path / "clean/turned.png", np.rot90(clean, -1).copy())
    put(tmp_path / "noisy/deep.png", noisy[..., 0].astype(np.uint16) * 256 + 99)
    put(tmp_path / "clean/deep.png", clean[..., 0])
    check_negatives(tmp_path, 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4),
    crop=st.integers(1, 24),
    seed=st.one_of(st.none(), st.integers(0, 2**31)),
)
def test_paired_crops_are_of_one_place(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[tuple[int, int]],
    crop: int,
    seed: int | None,
) -> None:
    root = tmp_path_factory.mktemp("pairs")
    for number, size in enumerate(sizes):
        put_pair(root, f"noisy/{number}.png", f"clean/{number}.png", number, size)
    indices = torch.arange(2 * len(sizes)) % len(sizes)
    drawn = []
    for max_bytes in (None, 0):
        source = load_dataset(str(root), "train", max_bytes=max_bytes)
        assert isinstance(source, StreamedSource if max_bytes == 0 else ImageSource)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        noisy, clean = paired_crops(source, indices, crop, generator)
        assert torch.equal(noisy, 255 - clean)
        assert clean.shape == (len(indices), 3, crop, crop)
        drawn.append(clean)
        small = centre_cropped(source, crop)
        assert isinstance(small.noisy, ImageSource)
        assert torch.equal(small.noisy.pixels, 255 - small.pixels)
    assert torch.equal(*drawn)


@pytest.mark.parametrize("half", ["noisy", "clean"])
def test_where_one_half_is_damaged_the_next_pair_is_taken_whole(tmp_path: Path, half: str) -> None:
    for number in range(3):
        put_pair(tmp_path, f"noisy/{number}.png", f"clean/{number}.png", number, (20 + number, 30))
    broken = tmp_path / half / "1.png"
    broken.write_bytes(broken.read_bytes()[:-400])
    source = load_dataset(str(tmp_path), "train", max_bytes=0)
    noisy, clean = paired_crops(source, torch.tensor([0, 1, 2]), 8, torch.Generator().manual_seed(1))
    assert torch.equal(noisy, 255 - clean)
    small = centre_cropped(source, 8)
    assert isinstance(small.noisy, ImageSource)
    assert torch.equal(small.noisy.pixels, 255 - small.pixels)
    assert [name.split(":")[0] for name in source.skipped] == [f"{half}/1.png"]
    memory = load_dataset(str(tmp_path), "train")
    assert len(memory) == 2 and memory.skipped[0].startswith(f"{half}/1.png: ")


def test_pairs_keep_together(tmp_path: Path) -> None:
    for number in range(4):
        put_pair(tmp_path, f"noisy/{number}.png", f"clean/{number}.png", number)
    source = load_dataset(str(tmp_path), "train", limit=2)
    kept = source.subset([1])
    assert kept.noisy is not None
    assert torch.equal(kept.noisy.image(0), 255 - kept.image(0))
    scaled = resized(source, 10)
    assert scaled.noisy is not None
    assert torch.equal(scaled.noisy.shapes, scaled.shapes) and scaled.uniform_size == (10, 15)
    assert without_pairs(source).noisy is None


def test_exposure_is_matched_channel_by_channel() -> None:
    generator = np.random.default_rng(0)
    clean, noisy = (generator.random((2, 3, 5, 7), np.float32) for _ in range(2))
    matched = match_exposure(torch.from_numpy(clean), torch.from_numpy(noisy)).numpy()
    np.testing.assert_allclose(matched.mean((2, 3)), noisy.mean((2, 3)), atol=1e-6)
    # Nothing else changes: the differences between pixels stay.
    np.testing.assert_allclose(
        matched - matched.mean((2, 3), keepdims=True), clean - clean.mean((2, 3), keepdims=True), atol=1e-6
    )
