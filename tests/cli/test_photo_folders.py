"""Folders of photos: bad files, kills, shards and names."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from denoise_cli.errors import UsageError
from denoise_cli.files import atomic_write_path
from denoise_cli.photo.files.find import find_photos
from denoise_cli.photo.shards import parse_shard
from tests.cli.test_denoise_image import files_below, write_photo
from tests.conftest import Command


def write_folder(folder: Path) -> tuple[set[str], set[str]]:
    """60 files, half of them in a sub-folder, 10 of them no photos; the names of good and bad."""
    names = [("deep/" if number % 2 else "") + f"{number:03}.png" for number in range(60)]
    bad = {names[6 * number + number % 2] for number in range(10)}
    for number, name in enumerate(names):
        path = write_photo(folder / name, number)
        if name in bad:
            path.write_bytes((b"", b"broken", path.read_bytes()[:2000])[number % 3])
    return set(names) - bad, bad


def test_a_folder_with_bad_files(denoise: Command, cae: Path, tmp_path: Path) -> None:
    """The good are done, the bad are named, nothing is left over; a second run skips."""
    good, bad = write_folder(tmp_path / "in")
    arguments = ("denoise-image", "in", "--recursive", "--output", "out", "--weights", cae, "--json")
    done = denoise(*arguments)
    assert done.returncode == 1
    assert all(name in done.stderr for name in bad)
    assert "10 of 60" in done.stderr
    assert "Failed: in/000.png: empty." in done.stderr
    assert re.search(
        r"^50 done, 0 skipped, 10 failed; 0\.1 megapixels in [\d.]+ s\.$", done.stderr, re.MULTILINE
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["status"] for row in rows) == ["done"] * 50 + ["failed"] * 10
    assert {row["input"] for row in rows if row["status"] == "failed"} == {f"in/{name}" for name in bad}
    assert files_below(tmp_path / "out") == good
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in good}
    done = denoise(*arguments, "--skip-existing")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["status"] for row in rows) == ["failed"] * 10 + ["skipped"] * 50
    assert times == {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in good}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_the_middle_and_run_again(
    how: signal.Signals, denoise: Command, cae: Path, tmp_path: Path
) -> None:
    good, _ = write_folder(tmp_path / "in")
    arguments = ["denoise-image", "in", "--recursive", "--output", "out", "--weights", str(cae)]
    process = subprocess.Popen(
        [sys.executable, "-m", "denoise_cli", *arguments], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    out = tmp_path / "out"
    deadline = time.monotonic() + 60
    while sum(path.name[0] != "." for path in out.rglob("*.png")) < 10:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(60) == (143 if how == signal.SIGTERM else -9)
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("*.png") if path.name[0] != "."}
    assert 10 <= len(finished) < len(good)
    if how == signal.SIGTERM:
        assert len(finished) == len(files_below(out))
    assert denoise(*arguments, "--skip-existing").returncode == 1
    assert files_below(out) == good
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    for path in out.rglob("*.png"):
        with Image.open(path) as image:
            image.load()


def test_two_runs_in_one_folder(denoise: Command, cae: Path, tmp_path: Path) -> None:
    """A run leaves alone what another one is writing, and clears what a killed one left."""
    write_photo(tmp_path / "a.png")
    (tmp_path / ".denoise-0123abcd.part.png").touch()
    with atomic_write_path(tmp_path / "b.png") as at_work:
        at_work.write_bytes(b"half")
        assert denoise("denoise-image", "a.png", "--weights", cae).returncode == 0
    assert files_below(tmp_path) == {"a.png", "a.denoised.png", "b.png"}
    assert (tmp_path / "b.png").read_bytes() == b"half"


def test_shards_divide_the_photos(denoise: Command, cae: Path, tmp_path: Path) -> None:
    for number in range(7):
        write_photo(tmp_path / "in" / f"{number}.png", number)
    arguments = ("denoise-image", "in", "--output", "out", "--weights", cae)
    assert denoise(*arguments, "--shard", "0/3").returncode == 0
    assert files_below(tmp_path / "out") == {"0.png", "3.png", "6.png"}
    kubernetes = {"JOB_COMPLETION_INDEX": "1", "JOB_COMPLETION_COUNT": "3"}
    assert denoise(*arguments, **kubernetes).returncode == 0
    slurm = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
    assert denoise(*arguments, **slurm).returncode == 0
    assert files_below(tmp_path / "out") == {f"{number}.png" for number in range(7)}


def test_shard_of_torchrun_and_none() -> None:
    assert parse_shard(None, {"RANK": "2", "WORLD_SIZE": "4"}) == (2, 4)
    assert parse_shard(None, {"RANK": "2"}) == (0, 1)
    assert parse_shard("1/2", {"RANK": "2", "WORLD_SIZE": "4"}) == (1, 2)
    with pytest.raises(UsageError):
        parse_shard("2", {})


def test_shards_of_slurm_arrays() -> None:
    def shard(index: int, count: int, first: int, step: int) -> tuple[int, int]:
        names = (
            "SLURM_ARRAY_TASK_ID",
            "SLURM_ARRAY_TASK_COUNT",
            "SLURM_ARRAY_TASK_MIN",
            "SLURM_ARRAY_TASK_STEP",
        )
        return parse_shard(None, dict(zip(names, map(str, (index, count, first, step)), strict=True)))

    assert [shard(index, 5, 0, 2) for index in range(0, 10, 2)] == [(place, 5) for place in range(5)]
    # --array=0,3,7
    with pytest.raises(UsageError, match="not one of 3 evenly numbered"):
        shard(7, 3, 0, 1)


def test_two_photos_with_one_result(denoise: Command, cae: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "in" / "a.png")
    write_photo(tmp_path / "in" / "a.jpg")
    done = denoise("denoise-image", "in", "--output", "out", "--format", "png", "--weights", cae)
    assert done.returncode == 2
    assert "both become" in done.stderr


def test_folders_leave_out_results_and_loops(tmp_path: Path) -> None:
    write_photo(tmp_path / "in" / "a.png")
    write_photo(tmp_path / "in" / "a.denoised.png")
    write_photo(tmp_path / "in" / "a.denoised.compare.png")
    write_photo(tmp_path / "in" / "sub" / "b.png")
    (tmp_path / "in" / "sub" / "loop").symlink_to(tmp_path / "in")
    names = [relative.as_posix() for _, relative in find_photos([str(tmp_path / "in")], True).photos]
    assert names == ["a.png", "sub/b.png"]
    # Nor are the results of the same command taken for photos when it is given again.
    found = find_photos([str(tmp_path / "in")], True, tmp_path / "in" / "sub").photos
    assert [relative.as_posix() for _, relative in found] == ["a.png"]
    names = [
        relative.as_posix()
        for _, relative in find_photos([str(tmp_path / "in" / "**" / "*.png")], False).photos
    ]
    assert "b.png" in names
