"""The data and the protocol of the study, where this machine has them; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from denoise_cli.data.torchvision_sets import default_data_dir


def study_defaults(data_dir: Path | None, *, train: bool) -> tuple[dict[str, Any], str]:
    """What `--all` means where no data set is named: config values, and a note for the user.

    Scoring takes STL-10 where it has been downloaded, else the bundled sample, so that it works on any
    machine; training is asked for STL-10 itself.

    Args:
        data_dir: Where downloaded data sets live; None: the default folder.
    """
    if train or (data_dir or default_data_dir()).joinpath("stl10_binary").is_dir():
        return {"data.dataset": "stl10", "protocol": "paper"}, ""
    note = (
        "STL-10 is not on this machine, so the bundled sample is scored; the study's own images: "
        "add --dataset stl10 (a download of 2.5 GB)."
    )
    return {"data.dataset": "sample"}, note
