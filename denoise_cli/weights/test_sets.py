"""The test sets and noises that weight cards are scored on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TestSet:
    """One data set of a card.

    Attributes:
        name: What cards call it.
        folder: Its folder among the test images; None where it comes with the program.
        noises: What it is scored under, by the names of `parse_noise`.
    """

    __test__ = False

    name: str
    folder: str | None
    noises: tuple[str, ...]


TEST_SETS = (
    TestSet("real-pairs/test", "real-pairs", ("real",)),
    TestSet("CBSD68", "cbsd68", ("awgn:15", "awgn:25", "awgn:50", "gaussian:0")),
    TestSet("stl10-part/test", "stl10-part", ("basic", "intense")),
    TestSet("sample", None, ("basic", "intense")),
)
