# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/debugger.md and README.md: every session gives what they say, and the tables are the registry's."""

import re

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


def test_the_events_that_the_text_names_are_in_the_sessions() -> None:
    text = (ROOT / PAGES[0]).read_text()
    walks = text[text.index("## A copy") : text.index("## Where you are")]
    shown = set(re.findall(r"^>? +(\d+) +\d+\.\d{6} ", walks, re.M))
    named = set(re.findall(r"\b(?<!#)\d{3,4}\b", re.sub(r"^```.*?^```$", "", walks, flags=re.M | re.S)))
    assert named
    assert named <= shown


def test_another_output_is_noticed() -> None:
    page = "```console\n$ ntbtrace repl traces/pingpong.ntbt\n(ntbtrace) goto end\nelse\n```\n"
    lines = fresh(page).splitlines()
    assert "else" not in lines
    assert lines[-2:] == ["at the end of the recording", "```"]


def test_a_session_that_breaks_off_is_noticed() -> None:
    with pytest.raises(AssertionError, match="there is no command 'nonsense'"):
        fresh("```console\n$ ntbtrace repl traces/pingpong.ntbt\n(ntbtrace) nonsense\n(ntbtrace) step\n```\n")
