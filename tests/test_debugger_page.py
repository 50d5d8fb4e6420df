# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/debugger.md and README.md: every session gives what they say, and the tables are the registry's."""

import pytest

from ntbtrace.repl.registry import COMMANDS
from tests.sessions import PAGES, ROOT, fresh


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_program_says(page: str) -> None:
    text = (ROOT / page).read_text()
    assert fresh(text) == text, f"{page} is stale: run `make docs`"


def test_every_command_is_in_the_page() -> None:
    text = (ROOT / PAGES[0]).read_text()
    assert [name for name in COMMANDS.commands if f"| `{name}" not in text] == []


def test_another_output_is_noticed() -> None:
    page = "```console\n$ ntbtrace repl traces/pingpong.ntbt\nsomething\n(ntbtrace) step\nelse\n```\n"
    assert "else" not in fresh(page)
    assert "cfg_read" in fresh(page) or "attach" in fresh(page)
