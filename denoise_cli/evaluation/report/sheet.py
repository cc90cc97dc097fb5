"""Tables as text, which any format can lay out; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from denoise_cli.evaluation.report.record import Interval

NONE = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column under a group's title; `best` are the rows to emphasise."""

    title: str
    values: tuple[str, ...]
    best: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that belong together and are not torn apart."""

    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: one row per method."""

    title: str
    rows: tuple[str, ...]
    groups: tuple[Group, ...]


def column_title(batch_norm: bool | None, noise: str) -> str:
    """The title of a column in tables and charts."""
    return noise if batch_norm is None else f"{noise}, BN {'on' if batch_norm else 'off'}"


def with_interval(value: float | None, interval: Interval | None, digits: int) -> str:
    """`24.53 ±0.31`, half the interval's width; `-` for no value."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text if interval is None else f"{text} ±{(interval[1] - interval[0]) / 2:.{digits}f}"
