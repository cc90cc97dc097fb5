"""Names of any origin are shown as they are, everywhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from denoise_cli.cli.console import Console, Plain, make_table
from denoise_cli.text import in_chart, in_file_name, in_markdown, printable

HOSTILE = "\x1b[2J\x9b31m[bold]x[/bold] :smile: \u202ecba\x07\x00"


def test_nothing_steers_the_terminal() -> None:
    assert printable("é ü\t山\n🙂") == "é ü\t山\n🙂"
    assert printable(HOSTILE) == r"\u001b[2J\u009b31m[bold]x[/bold] :smile: \u202ecba\u0007\u0000"
    # A name that is not UTF-8 stays what the system can write.
    assert printable("a\udcff") == "a\udcff" and printable("\ud800") == r"\ud800"


@pytest.mark.parametrize("where", ["show", "note", "error", "table", "title", "json", "write", "progress"])
def test_the_console_prints_names_as_they_are(where: str) -> None:
    console, file = Console(), io.StringIO()
    console.out = console.err = Plain(file=file, force_terminal=True, color_system=None, width=300)
    if where == "table":
        table = make_table("t", HOSTILE, "b")
        table.add_row(HOSTILE, "1")
        console.show(table)
    elif where == "title":
        console.show(make_table(HOSTILE, "a" * 150))
    elif where == "error":
        console.error(HOSTILE, HOSTILE)
    elif where == "json":
        console.json({"name": HOSTILE})
    elif where == "progress":
        with console.progress(HOSTILE, 2) as advance:
            advance(1, HOSTILE)
    else:
        getattr(console, where)(HOSTILE)
    text = file.getvalue()
    assert "[bold]x[/bold] :smile:" in text
    assert "\x1b[2J" not in text and not set("\x9b\u202e\x07\x00") & set(text)
    if where == "json":
        assert json.loads(text) == {"name": HOSTILE}


def test_markdown_and_file_names() -> None:
    assert in_markdown("a|b\n<img src=x> [c](d) *e* _f_ g_h") == (
        r"a\|b \<img src=x\> \[c\](d) \*e\* \_f\_ g_h"
    )
    assert in_markdown("24.53 ±0.31, photo_unet, awgn:25, -0.5") == "24.53 ±0.31, photo_unet, awgn:25, -0.5"
    assert in_file_name("gaussian:0.2") == "gaussian0.2"
    for name in ("../../x", "/etc/x", "a\\b", "a\0b", "x" * 5000):
        part = in_file_name(name)
        assert Path(part).name == part and len(part) <= 100 and "\\" not in part and "\0" not in part


@pytest.mark.parametrize("name", ["a$_$", "cost$5", r"\$\frac$", "$$$", r"a\$b$c$", "\x1b$x", "x" * 500])
def test_charts_set_no_formulas(name: str) -> None:
    figure = Figure()
    text = figure.text(0, 0, in_chart(name))
    figure.savefig(io.BytesIO(), format="png")  # A formula that is none would raise.
    shown, is_formula = text._preprocess_math(text.get_text())  # type: ignore[attr-defined]
    expected = name if len(name) < 60 else f"{'x' * 59}…"
    assert not is_formula and shown == expected.replace("\x1b", r"\u001b")
