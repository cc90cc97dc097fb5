"""Every command and every option says what it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.main import get_command

from denoise_cli.cli.app import COMMANDS, app
from tests.conftest import Command

GROUP: Any = get_command(app)


def test_the_program_and_its_version_have_help() -> None:
    assert GROUP.help
    assert all(parameter.help for parameter in GROUP.params if hasattr(parameter, "help"))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_has_a_sentence(name: str, denoise: Command) -> None:
    command = GROUP.get_command(None, name)
    summary = command.help.strip().splitlines()[0]
    assert len(summary) > 20 and summary[0].isupper()
    assert re.search(r"[.;]", summary)
    shown = denoise(name, "--help").stdout
    for parameter in (one for one in command.params if not getattr(one, "hidden", False)):
        text = getattr(parameter, "help", None)
        assert text and len(text.strip()) > 5, parameter.name
        for option in parameter.opts:
            if option.startswith("-"):
                assert option in shown
        # Rich shows a text as it is: nothing in it is taken for markup and lost.
        words = re.findall(r"[\w:./+*-]+", text)
        squeezed = re.sub(r"[\s│]+", "", shown)
        for word in words:
            assert re.sub(r"\s", "", word) in squeezed, (parameter.name, word)
