"""What `compare --all` scores where no data set is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from denoise_cli.evaluation.comparison.study import study_defaults


def test_the_study_s_images_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path))
    study = {"data.dataset": "stl10", "protocol": "paper"}
    values, note = study_defaults(None, train=False)
    assert values == {"data.dataset": "sample"}
    assert "--dataset stl10" in note
    assert study_defaults(None, train=True) == (study, "")
    (tmp_path / "stl10_binary").mkdir()
    assert study_defaults(None, train=False) == (study, "")
    assert study_defaults(tmp_path / "other", train=False)[0] == values
