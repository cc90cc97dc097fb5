"""README and docs say what the program does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
