"""Other spellings of commands and options."""

from __future__ import annotations


def as_written_today(name: str) -> str:
    """An option's or a command's name as help shows it: `batch_size`, and `out` of earlier versions."""
    return "output" if name == "out" else name.replace("_", "-")
