"""Names that others chose, as text: on a terminal, in Markdown, in a chart, in a file's name; times.

Names of files, classes, noises and models come from folders and files of any origin. None may move a
terminal's cursor, end a table's cell, be set as a formula or lead out of a folder.
"""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and newline, halves of characters, and marks that turn the
# direction of writing around.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udc7f]")
_MARKDOWN = re.compile(r"[\\*\[\]<>&|~$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_FILE_NAME = re.compile(r"[^0-9A-Za-z._+-]+")
_LONGEST_IN_CHART = 60


def printable(text: str) -> str:
    """The text with characters that steer a terminal written as JSON writes them, such as `\\u001b`."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def in_markdown(text: str) -> str:
    """The text as one line of Markdown that shows it as it is, but for code in backticks."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(printable(text).split()))


def in_chart(text: str) -> str:
    """The text for matplotlib: dollars are no formula, and a long name is cut."""
    short = text if len(text) <= _LONGEST_IN_CHART else f"{text[: _LONGEST_IN_CHART - 1]}…"
    # Matplotlib sets nothing as a formula whose dollars are all escaped, and takes the escapes off.
    return printable(short).replace("$", r"\$")


def in_file_name(text: str) -> str:
    """The text as a part of a file's name: letters, digits and a few marks; never a path."""
    return _FILE_NAME.sub("-", text.replace(":", ""))[:100]


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 minutes`, `3.5 hours`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
