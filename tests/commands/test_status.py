# SPDX-License-Identifier: GPL-2.0-or-later
"""The status line: what guests say cannot drive the terminal, and nobody has to look at it."""

import errno
import io

import pytest

from ntbtrace.commands.status import StatusLine

ESCAPE = "\x1b[2Jport 0: \x9b31m\r\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_escape_sequences_are_shown_escaped() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        status = StatusLine(stream)
        status.show(ESCAPE, ESCAPE)
        status.tell(ESCAPE)
        status.event("0", ESCAPE)
    shown = r"\x1b[2Jport 0: \x9b31m\r\n"
    assert terminal.getvalue() == f"\r\x1b[K{shown}\n{shown}\n\nport 0: {shown}\n"
    assert pipe.getvalue() == f"{shown}\n{shown}\nport 0: {shown}\n"


def test_a_line_stays_one_line_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    StatusLine(terminal).show("x" * 500, "")
    assert terminal.getvalue() == "\r\x1b[K" + "x" * 39


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_a_reader_that_is_gone_is_no_error(number: int) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(number, "gone")

    status = StatusLine(Gone())
    status.show("a", "a")
    status.tell("b")
    status.event("0", "c")
    status.done()
