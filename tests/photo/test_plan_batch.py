"""Which photos a batch takes, where their results go, and that nothing of the user's is replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from denoise_cli.errors import ImageError, OutputExists, UsageError
from denoise_cli.photo.files import paths
from denoise_cli.photo.files.find import find_photos
from denoise_cli.photo.files.formats import FORMATS
from denoise_cli.photo.files.paths import Item, plan_outputs
from denoise_cli.photo.plan_batch import BatchPlan, Request, plan_batch, remove_leftovers
from denoise_cli.photo.shards import parse_shard


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    """Photos by name alone: planning does not open them."""
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def results(batch: BatchPlan) -> dict[str, str]:
    return {str(item.source): str(item.output) for item in batch.items}


def test_a_result_never_replaces_a_photo_of_the_same_call() -> None:
    touch("a.png", "a.denoised.png", "clean.png", "d/b.png")
    Path("link.png").symlink_to("a.png")
    os.link("a.png", "hard.png")
    Path("d/a.png").symlink_to("../clean.png")
    for request in (
        Request(["a.png", "a.denoised.png"], overwrite=True),
        Request(["a.denoised.png", "./a.png"], overwrite=True),
        Request(["a.png"], output=Path("link.png"), overwrite=True),
        Request(["a.png"], output=Path("hard.png"), overwrite=True),
        Request(["a.png", "clean.png"], output=Path("d"), overwrite=True),
        Request(["a.png"], output=Path("new/../a.png"), overwrite=True),
        Request(["a.png", "clean.png"], output=Path("new/.."), overwrite=True),
        Request(["a.png"], output=Path("clean.png"), reference=Path("clean.png"), overwrite=True),
    ):
        with pytest.raises(UsageError, match="would replace"):
            plan_batch(request)


def test_photos_named_twice_are_denoised_once(folder: Path) -> None:
    touch("a.png")
    assert len(plan_batch(Request(["a.png", str(folder / "a.png"), "./a.png"])).items) == 1


def test_two_photos_never_share_a_result() -> None:
    touch("d/a.png", "e/a.png", "out/x")
    Path("same").symlink_to("out")
    for output in (Path("out"), Path("same")):
        with pytest.raises(UsageError, match="both become"):
            plan_batch(Request(["d/a.png", "e/a.png"], output=output))
    items = [(Path("d/a.png"), Path("out/a.png")), (Path("e/a.png"), Path("same/a.png"))]
    with pytest.raises(UsageError, match="both become"):
        plan_outputs(items, Path(), None, several=True)


def test_names_that_differ_in_case_are_two_where_the_file_system_says_so(folder: Path) -> None:
    touch("a.png", "A.png")
    two = len(list(folder.iterdir())) == 2
    assert len(plan_batch(Request(["a.png", "A.png"], output=Path("out"))).items) == (2 if two else 1)


def test_names_that_differ_in_case_are_one_where_the_file_system_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch("d/a.png", "e/A.png", "e/ä.png", "d/a\u0308.png")
    monkeypatch.setattr(paths, "_ignores_case", lambda folder: True)  # as on most Macs
    for photos in (["d/a.png", "e/A.png"], ["e/ä.png", "d/a\u0308.png"]):
        with pytest.raises(UsageError, match="both become"):
            plan_batch(Request(photos, output=Path("out")))


def test_results_of_earlier_runs_are_left_alone() -> None:
    touch("d/1.png", "d/1.denoised.png", "d/1.denoised.compare.png", "d/2.png")
    new = {"d/2.png": "d/2.denoised.png"}
    by_shell = plan_batch(Request(sorted(map(str, Path("d").iterdir()))))
    assert (results(by_shell), by_shell.results) == (new, 2)
    by_us = plan_batch(Request(["d/*.png"]))
    assert (results(by_us), by_us.results) == (new, 2)
    assert results(plan_batch(Request(["d"]))) == new
    # One alone, or a pattern that says so, is meant.
    assert results(plan_batch(Request(["d/1.denoised.png"]))) == {
        "d/1.denoised.png": "d/1.denoised.denoised.png"
    }
    assert "d/1.denoised.png" in results(plan_batch(Request(["d/*.denoised.png"])))
    with pytest.raises(ImageError, match="Only results of earlier runs"):
        plan_batch(Request(["d/1.denoised.png", "d/1.denoised.compare.png"]))


def test_existing_results_are_skipped_replaced_or_said() -> None:
    touch("d/1.png", "d/1.denoised.png", "d/2.png")
    item = Item(Path("d/1.png"), Path("d/1.denoised.png"))
    plain, skipping, replacing = (
        plan_batch(Request(["d"], skip_existing=skip, overwrite=overwrite))
        for skip, overwrite in ((False, False), (True, False), (False, True))
    )
    assert (plain.existing, plain.skipped, len(plain.items)) == ((item,), (), 1)
    assert (skipping.existing, skipping.skipped, len(skipping.items)) == ((), (item,), 1)
    assert (replacing.existing, replacing.skipped, len(replacing.items)) == ((), (), 2)
    touch("d/2.denoised.compare.png")
    with pytest.raises(OutputExists):
        plan_batch(Request(["d"], side_by_side=True))


@pytest.mark.parametrize(("kind", "name"), [("bmp", "x.png"), ("jpeg", "x.png"), ("png", "x.JPG")])
def test_a_name_never_says_another_format(kind: str, name: str) -> None:
    touch("a.png")
    with pytest.raises(UsageError, match=rf"format asked for is {kind}, but {name}"):
        plan_batch(Request(["a.png"], output=Path(name), format=FORMATS[kind]))
    plan_batch(Request(["a.png"], output=Path("x"), format=FORMATS[kind]))


def test_folders_that_are_not_the_users_are_not_entered() -> None:
    kept = {"d/a.png", "d/sub/b.png"}
    touch(*kept, "d/.git/x.png", "d/.thumbnails/x.png", "d/sub/@eaDir/a.png/x.png", "d/__MACOSX/x.png")
    touch("d/._a.png", "d/#recycle/x.png")
    assert set(results(plan_batch(Request(["d"], recursive=True)))) == kept
    assert set(results(plan_batch(Request(["d/**/*.png"])))) == kept
    # What is named itself is meant.
    assert set(results(plan_batch(Request(["d/.git"])))) == {"d/.git/x.png"}
    assert set(results(plan_batch(Request(["d/__MACOSX/*.png"])))) == {"d/__MACOSX/x.png"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who is not root")
def test_folders_without_permission_are_said() -> None:
    touch("d/a.png", "d/closed/b.png", "full/x.png")
    Path("d/closed").chmod(0)
    Path("full").chmod(0o500)
    try:
        assert plan_batch(Request(["d"], recursive=True)).closed == (Path("d/closed"),)
        for output in (Path("full"), Path("full/new/deep")):
            with pytest.raises(PermissionError, match="cannot be written"):
                plan_batch(Request(["d/a.png"], output=output))
    finally:
        Path("d/closed").chmod(0o700)
        Path("full").chmod(0o700)


def test_quality_that_has_no_effect() -> None:
    touch("a.png")
    with pytest.raises(UsageError, match="no effect on PNG"):
        plan_batch(Request(["a.png"], quality=90))
    plan_batch(Request(["a.png"], quality=90, output=Path("photo")))  # of whatever format it is


def test_leftovers_of_a_shared_folder_are_old_before_they_are_deleted() -> None:
    young, notes = ".denoise-0123abcd.part.png", ".denoise-notes.txt"
    touch("a.png", f"out/{young}", f"out/{notes}", "out/.denoise-01234567.part")
    os.utime("out/.denoise-01234567.part", (0, 0))
    items = plan_batch(Request(["a.png"], output=Path("out"))).items
    remove_leftovers(items, shared=True)
    assert {path.name for path in Path("out").iterdir()} == {
        ".denoise-0123abcd.part.png",
        ".denoise-notes.txt",
    }
    remove_leftovers(items, shared=False)
    assert {path.name for path in Path("out").iterdir()} == {notes}


def test_shards_are_numbers() -> None:
    for text in ("1", "3/3", "-1/2", "1/" + "9" * 5000, "a/b"):
        with pytest.raises(UsageError, match="shard"):
            parse_shard(text, {})
    assert parse_shard(None, {"RANK": "9" * 5000, "WORLD_SIZE": "4"}) == (0, 1)


def test_several_results_need_a_folder() -> None:
    touch("a.png", "b.png", "c.png")
    with pytest.raises(UsageError, match=r"c\.png is a file"):
        plan_batch(Request(["a.png", "b.png"], output=Path("c.png"), overwrite=True))


def test_nothing_there() -> None:
    touch("d/notes.txt")
    for name in ("none.png", "d", "d/*.png"):
        with pytest.raises(ImageError, match="no photo"):
            find_photos([name], recursive=False)
    with pytest.raises(UsageError, match="empty name"):
        find_photos([""], recursive=False)
