"""Free memory inside a container, against control-group files as Linux writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from denoise_cli.data import memory


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def _write(group: Path, limit: str, current: int, cached: int) -> None:
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{current}\n")
    (group / "memory.stat").write_text(f"anon 4096\ninactive_file {cached}\nactive_file 0\n")


def test_what_a_container_uses_is_not_free(group: Path) -> None:
    _write(group, "5000000", 3_000_000, 0)
    assert memory.available_memory() == 2_000_000


def test_cached_files_give_way(group: Path) -> None:
    _write(group, "5000000", 3_000_000, 1_000_000)
    assert memory.available_memory() == 3_000_000


def test_a_container_that_is_over_its_limit_has_nothing_left(group: Path) -> None:
    _write(group, "1000000", 1_200_000, 0)
    assert memory.available_memory() == 0


def test_without_a_limit_the_machine_counts(group: Path) -> None:
    without_group = memory.available_memory()
    _write(group, "max", 2**40, 0)
    assert memory.available_memory() == pytest.approx(without_group, rel=0.5)
    assert without_group > 5_000_000
