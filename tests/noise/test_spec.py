"""Names of noises."""

from __future__ import annotations

import pytest

from denoise_cli.errors import UnknownName, UsageError
from denoise_cli.noise.spec import (
    BASIC,
    BLIND,
    CAMERA,
    INTENSE,
    REAL,
    NoiseSpec,
    canonical_noise,
    is_mixture,
    is_real,
    parse_noise,
)


def test_presets_ignore_case_and_spaces() -> None:
    assert parse_noise("Basic") == (BASIC,)
    assert parse_noise(" intense + BLIND ") == (INTENSE, BLIND)


def test_levels() -> None:
    assert parse_noise("gaussian:0.15") == (NoiseSpec("gaussian:0.15", "gaussian", (0.15, 0.15)),)
    (spec,) = parse_noise("awgn:0-51")
    assert (spec.sigma, spec.clip) == ((0, 0.2), False)


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
        ("camera:0-5", "above 0"),
        ("camera:5-300", "at most 255"),
        ("real:5", "not understood"),
        ("0*basic", "above 0"),
        ("1e999*basic", "above 0"),
        ("0.5*", "Unknown noise"),
        ("2*fog", "Unknown noise"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_noise(text)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownName) as caught:
        parse_noise("fog")
    assert "intense" in caught.value.hint


def test_weights_by_name_and_by_mapping_are_one_noise() -> None:
    text = canonical_noise({"Camera": 0.4, "awgn:0-75": 0.2, "blind": 0.4})
    assert text == "0.4*camera+0.2*awgn:0-75+0.4*blind" == canonical_noise(text)
    specs = parse_noise(" .4 * camera+0.2*awgn:0-75 + 4e-1*blind")
    assert [(spec.name, spec.weight) for spec in specs] == [
        ("camera", 0.4),
        ("awgn:0-75", 0.2),
        ("blind", 0.4),
    ]
    assert canonical_noise("2*basic+2*intense") == "basic+intense"
    assert canonical_noise({"camera": 3}) == "camera"


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ({}, "empty"),
        ({"camera": -1}, "above 0"),
        ({"camera": "much"}, "above 0"),
        ({"camera": True}, "above 0"),
        ({"camera": float("nan")}, "above 0"),
        ({"fog": 1}, "Unknown noise"),
    ],
)
def test_a_wrong_mixture_is_named(mixture: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        canonical_noise(mixture)


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("basic", False),
        ("camera", True),
        ("camera:5", False),
        ("blind", True),
        ("real", False),
        ("a+b", True),
    ],
)
def test_a_mixture_has_no_one_level(text: str, mixed: bool) -> None:
    assert is_mixture(text.replace("a+b", "basic+intense")) is mixed


def test_real_noise_is_not_mixed_by_name() -> None:
    assert is_real((REAL,)) and not is_real((BASIC, CAMERA))
    with pytest.raises(UsageError, match="mixed by name"):
        is_real(parse_noise("real+basic"))
