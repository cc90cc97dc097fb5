"""Files are written whole or not at all, and only what is ours is replaced or deleted."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from denoise_cli import files
from denoise_cli.files import (
    atomic_write_path,
    is_unfinished,
    permissions,
    remove_abandoned,
    remove_leftovers,
    remove_unfinished,
    write_atomic,
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def no_hard_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:  # as on exFAT
        monkeypatch.setattr(os, "link", no_hard_links)
    path = tmp_path / "a.png"

    def write_while_another_does() -> None:
        with atomic_write_path(path, replace=False) as temporary:
            temporary.write_bytes(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(FileExistsError) as caught:
        write_while_another_does()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"theirs"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="leads nowhere"):
        write_atomic(path, b"ours", replace=False)
    path.unlink()
    write_atomic(path, b"ours", replace=False)
    assert path.read_bytes() == b"ours"
    assert names(tmp_path) == {"a.png"}


def test_only_one_of_many_writers_gets_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    ready = threading.Barrier(4)
    won = []

    def write(number: int) -> None:
        with atomic_write_path(path, replace=False) as temporary:
            temporary.write_bytes(bytes([number]))
            ready.wait(10)
        won.append(number)

    errors: list[type[BaseException] | None] = []

    def guarded(number: int) -> None:
        try:
            write(number)
        except FileExistsError as error:
            errors.append(type(error))

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_bytes() == bytes(won)
    assert errors == [FileExistsError] * 3


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic_write_path(path, mode=0o600) as temporary:
        assert mode_of(temporary) == 0o600
    assert mode_of(path) == 0o600
    path.chmod(0o664)
    with atomic_write_path(path, mode=0o600):
        pass
    assert mode_of(path) == 0o664, "a replaced file keeps its own"
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "b.png", b"")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "b.png") == 0o640
    assert permissions(path) == 0o664
    assert permissions(tmp_path) is permissions(tmp_path / "none") is None


def test_devices_pipes_sockets_and_streams_stay_what_they_are(tmp_path: Path) -> None:
    pipe, link, bound = (tmp_path / name for name in ("pipe", "link.png", "socket"))
    os.mkfifo(pipe)
    link.symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bound))
        for path in (pipe, link, bound, Path("/dev/null"), Path("/dev/fd/1"), Path("/proc/self/fd/0")):
            before = path.lstat().st_mode
            with pytest.raises(OSError, match="This is a"):
                write_atomic(path, b"picture")
            assert path.lstat().st_mode == before
    with pytest.raises(OSError, match="folder"):
        write_atomic(tmp_path, b"picture")


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"photo")
    (tmp_path / "link.png").symlink_to("photo.png")
    write_atomic(tmp_path / "link.png", b"result")
    assert (tmp_path / "photo.png").read_bytes() == b"photo"
    assert (tmp_path / "link.png").read_bytes() == b"result"


def test_only_our_own_leftovers_are_deleted(tmp_path: Path) -> None:
    ours = {".denoise-0123abcd.part.png", ".denoise-deadbeef.part"}
    theirs = {
        ".denoise-notes.txt",
        ".denoise-0123abcd.png",
        ".denoise-0123abc.part",
        "x.denoise-0123abcd.part",
    }
    for name in ours | theirs:
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / ".denoise-00000000.part")
    (tmp_path / ".denoise-11111111.part").mkdir()
    (tmp_path / ".denoise-22222222.part").symlink_to(tmp_path / ".denoise-notes.txt")
    kept = names(tmp_path) - ours
    with atomic_write_path(tmp_path / "a.png") as at_work:
        assert is_unfinished(at_work.name)
        remove_leftovers(tmp_path)
        assert names(tmp_path) == kept | {at_work.name}
    assert names(tmp_path) == kept | {"a.png"}


def test_no_clean_up_takes_what_is_being_written(tmp_path: Path) -> None:
    """Another run cleans up again and again, also between the creation of a file and its lock."""
    ended = threading.Event()

    def clean() -> None:
        while not ended.is_set():
            for path in tmp_path.glob(".denoise-*"):
                remove_abandoned(path)

    thread = threading.Thread(target=clean)
    thread.start()
    try:
        for number in range(60):
            write_atomic(tmp_path / f"{number}", b"", replace=number % 2 == 0)
    finally:
        ended.set()
        thread.join()
    assert len(names(tmp_path)) == 60


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(OSError, match="No space") as caught, atomic_write_path(path) as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    assert caught.value.filename == str(path)
    assert names(tmp_path) == set()


def test_long_endings_make_no_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("a." + "b" * 240)
    write_atomic(path, b"")
    assert names(tmp_path) == {path.name}


def test_a_process_that_ends_leaves_nothing_and_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_at_work", files._AtWork())
    with pytest.raises(FileNotFoundError), atomic_write_path(tmp_path / "a.png", replace=False):
        remove_unfinished()
    with pytest.raises(OSError, match="ending"):
        write_atomic(tmp_path / "b.png", b"")
    assert names(tmp_path) == set()
