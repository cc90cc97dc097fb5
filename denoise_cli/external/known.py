"""Known weights of published denoisers; imports no torch, and downloads nothing."""

from __future__ import annotations

import csv
from importlib.resources import files


def list_published() -> list[dict[str, str]]:
    """One row per weight file: name, architecture, size, noise, licence, whether it is read, address."""
    text = files("denoise_cli.external").joinpath("published.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))
