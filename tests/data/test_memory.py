"""Memory that is left, on the bare machine and in a container."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from denoise_cli.data import memory
from denoise_cli.data.memory import available_memory

GIGA = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB left, and the folder of its control group, which is empty."""
    meminfo, group = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text(f"MemTotal: {16 * 2**20} kB\nMemFree: 1024 kB\nMemAvailable: {8 * 2**20} kB\n")
    group.mkdir()
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_GROUP", group)
    return group


def write_group(folder: Path, limit: str, current: int, inactive: int) -> None:
    """The files of cgroup v2, as the kernel's cgroup-v2.rst describes them."""
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(f"anon 1\nfile {inactive}\ninactive_file {inactive}\nactive_file 0\n")


def test_without_a_group_the_machine_says(machine: Path) -> None:
    assert available_memory() == 8 * GIGA


@pytest.mark.parametrize(
    ("limit", "current", "inactive", "left"),
    [
        ("max", 3 * GIGA, 0, 8 * GIGA),
        (str(4 * GIGA), 0, 0, 4 * GIGA),
        (str(4 * GIGA), 3 * GIGA, 0, GIGA),
        (str(4 * GIGA), 3 * GIGA, 2 * GIGA, 3 * GIGA),
        (str(64 * GIGA), 3 * GIGA, 0, 8 * GIGA),
        (str(4 * GIGA), 5 * GIGA, 0, 0),
    ],
)
def test_a_container_leaves_what_its_limit_leaves(
    machine: Path, limit: str, current: int, inactive: int, left: int
) -> None:
    write_group(machine, limit, current, inactive)
    assert available_memory() == left


def test_where_the_system_does_not_say(machine: Path) -> None:
    machine.with_name("meminfo").unlink()
    assert available_memory() > GIGA // 4
    write_group(machine, str(GIGA // 8), 0, 0)
    assert available_memory() == GIGA // 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machine() -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    (total,) = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal")]
    assert 0 < available_memory() <= total
