"""Names of noises."""

from __future__ import annotations

import pytest

from denoise_cli.errors import UnknownName, UsageError
from denoise_cli.noise.spec import BASIC, BLIND, INTENSE, NoiseSpec, parse_noise


def test_presets_ignore_case_and_spaces() -> None:
    assert parse_noise("Basic") == (BASIC,)
    assert parse_noise(" intense + BLIND ") == (INTENSE, BLIND)


def test_levels() -> None:
    assert parse_noise("gaussian:0.15") == (NoiseSpec("gaussian:0.15", "gaussian", (0.15, 0.15)),)
    (spec,) = parse_noise("awgn:0-51")
    assert spec.sigma == (0, 0.2) and not spec.clip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bsaic", "Did you mean 'basic'"),
        ("gaussian", "Did you mean 'gaussian:0.1'"),
        ("gaussian:", "not understood"),
        ("awgn:-5", "not understood"),
        ("poisson:3", "not understood"),
        ("gaussian:25", "at most 1"),
        ("awgn:300", "at most 255"),
        ("awgn:50-10", "must rise"),
        ("", "Unknown noise"),
        ("basic+", "Unknown noise"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_noise(text)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownName) as caught:
        parse_noise("fog")
    assert "intense" in caught.value.hint
