"""README and docs say what the program does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from denoise_cli.cli.app import COMMANDS, app
from denoise_cli.cli.front_door import with_command

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "denoise_cli").rglob("*.py")),
)
_BLOCK = re.compile(r"```(?:bash|console)\n(.*?)```", re.DOTALL)
_PROGRAM = re.compile(r"^(?:\$ )?(?:.*-m denoise_cli|.*&& denoise|denoise)\s+(.*)$")
_EXAMPLE = re.compile(r"Examples?: (denoise .*?)\n\s*\"\"\"", re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Each command of the pages' blocks and of the commands' own examples, with the file it stands in."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".py":
            examples = [" ".join(found.split()) for found in _EXAMPLE.findall(text)]
            lines = [one.strip() for found in examples for one in found.split(";")]
        else:
            blocks = [block.replace("\\\n", " ") for block in _BLOCK.findall(text)]
            lines = [line for block in blocks for line in block.splitlines()]
        for line in lines:
            if match := _PROGRAM.match(line):
                yield page.name, match[1]


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_documented_commands_are_understood(page: str, line: str) -> None:
    """By the parser of the program itself: every command, argument and option is one that there is."""
    words = shlex.split(re.split(r" [|>]", line)[0].replace("…", "x"), comments=True)
    name, *rest = with_command(words, COMMANDS)
    if name.startswith("--"):
        assert name in {"--help", "--version"}
        return
    group: Any = get_command(app)
    command = group.get_command(None, name)
    # Typer raises for what it does not know; the command itself is not run.
    command.make_context(name, [word for word in rest if word not in {"--help", "-h"}])


def test_tables_and_help_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "update_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_are_two_set_up_commands() -> None:
    script = ROOT / "scripts" / "readme_commands.py"
    commands = subprocess.check_output([sys.executable, script, ROOT / "README.md"], text=True).splitlines()
    assert len(commands) == 2
    assert all(command.startswith("pip install") for command in commands)
