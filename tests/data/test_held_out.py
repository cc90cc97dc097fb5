"""The pictures that a folder without a test part keeps for testing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoise_cli.data.held_out import Split, part_of
from denoise_cli.data.load import has_no_parts, load_dataset
from tests.conftest import write_images

NAMES = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40)


@given(names=NAMES, share=st.floats(0, 0.999))
def test_parts_share_the_pictures_out(names: list[str], share: float) -> None:
    train, test = (part_of(names, split, share) for split in ("train", "test"))
    everything = list(range(len(names)))
    if share == 0 or len(names) < 2:
        assert train == test == everything
        return
    assert sorted(train + test) == everything
    assert test, "something is tested"
    # A larger share keeps what a smaller one keeps.
    assert set(test) <= set(part_of(names, "test", min(0.999, share + 0.1)))


@given(names=NAMES, more=NAMES, share=st.floats(0.2, 0.8))
def test_a_picture_stays_in_its_part(names: list[str], more: list[str], share: float) -> None:
    joined = [*names, *(name for name in more if name not in names)]
    before = {names[index] for index in part_of(names, "train", share)}
    after = {joined[index] for index in part_of(joined, "train", share)}
    if len(names) > 1:
        # But for the one that is tested on where the share held none.
        assert len(before - after) <= 1 or part_of(names, "train", share) == []


def test_the_share_is_met() -> None:
    names = [f"{number:05}.png" for number in range(20_000)]
    assert len(part_of(names, "test", 0.1)) == pytest.approx(2000, rel=0.1)


@pytest.mark.parametrize("max_bytes", [None, 0])
@pytest.mark.parametrize("layout", ["flat", "pairs"])
def test_folders_and_pairs(tmp_path: Path, layout: str, max_bytes: int | None) -> None:
    for part in ("noisy", "clean") if layout == "pairs" else (".",):
        write_images(tmp_path / part, 30)
    wanted: list[tuple[Split, float]] = [("train", 0.1), ("test", 0.1), ("test", 0.0)]
    train, test, everything = (
        load_dataset(str(tmp_path), split, max_bytes=max_bytes, test_share=share).names
        for split, share in wanted
    )
    assert sorted(train + test) == sorted(everything)
    assert 0 < len(test) < 12


def test_folders_with_parts_keep_them(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_images(tmp_path / part, 5)
    assert not has_no_parts(str(tmp_path)) and has_no_parts(str(tmp_path / "train"))
    assert not has_no_parts("stl10") and not has_no_parts(str(tmp_path / "missing"))
    assert len(load_dataset(str(tmp_path), "test", test_share=0.5).names) == 5


@pytest.mark.parametrize("max_bytes", [None, 0], ids=["in memory", "streamed"])
def test_a_part_of_one_class_has_the_classes_of_all(max_bytes: int | None, tmp_path: Path) -> None:
    write_images(tmp_path / "a", 12)
    write_images(tmp_path / "b", 1)
    for split in ("train", "test"):
        for limit in (None, 1):
            part = load_dataset(str(tmp_path), split, limit=limit, max_bytes=max_bytes, test_share=0.3)
            assert part.classes == ("a", "b") and part.labels is not None
            wanted = [("a", "b").index(name.split("/")[0]) for name in part.names]
            assert part.labels.tolist() == wanted
