# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the debugger's lines go: plain text for pipes and scripts; colours and pages on a terminal.

Whatever was not made printable before is made so here: a trace cannot drive the terminal.
"""

import os
import shutil
import sys
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from ntbtrace.progress import progress
from ntbtrace.repl.highlight import Highlighter
from ntbtrace.text import plain

if TYPE_CHECKING:
    from prompt_toolkit.output import Output
    from prompt_toolkit.styles import Attrs

    from ntbtrace.repl.session import Say

WIDTH = 120  # columns, where there is no terminal


class Quit(BaseException):
    """The user has seen enough of a command's output: like KeyboardInterrupt, no error that a user's code may catch."""


class Plain:
    """Lines of text to standard output."""

    @property
    def width(self) -> int:
        """Columns."""
        return WIDTH

    def begin(self) -> None:
        """A command is about to be carried out."""

    def line(self, text: str = "") -> None:
        print(plain(text))

    def error(self, text: str) -> None:
        sys.stdout.flush()
        print(plain(text), file=sys.stderr)

    def progress(self, label: str, total: int) -> "AbstractContextManager[Say]":
        return progress(label, total, wanted=False)


class Terminal(Plain):
    """Lines to a terminal: coloured, unless `colour` is off; page by page."""

    def __init__(self, highlighter: Highlighter, colour: bool) -> None:
        self._highlighter = highlighter
        self._colour = colour
        self._known: dict[str, Attrs] = {}  # by style
        self._left: int | None = None  # lines that still fit on the page; None: no more pages in this command

    @property
    def width(self) -> int:
        return shutil.get_terminal_size().columns

    def begin(self) -> None:
        self._left = shutil.get_terminal_size().lines - 1

    def line(self, text: str = "") -> None:
        from prompt_toolkit.utils import get_cwidth

        text = plain(text)
        if self._left is not None:
            rows = max(1, -(-get_cwidth(text) // self.width))
            if self._left < rows:
                self._turn()
            if self._left is not None:
                self._left -= rows
        self._write(text)

    def error(self, text: str) -> None:
        self._write(plain(text), "class:error")

    def _write(self, text: str, style: str = "") -> None:
        if not self._colour:
            print(text)
            return
        output = self._output
        depth = output.get_default_color_depth()
        for name, part in [(style, text)] if style else self._highlighter.output(text):
            output.set_attributes(self._attributes(name), depth)
            output.write(part)
        output.reset_attributes()
        output.write("\r\n")
        output.flush()

    @cached_property
    def _output(self) -> "Output":
        from prompt_toolkit.output import create_output

        return create_output(sys.stdout)

    def _attributes(self, style: str) -> "Attrs":
        from ntbtrace.repl.style import STYLE

        if style not in self._known:
            self._known[style] = STYLE.get_attrs_for_style_str(style)
        return self._known[style]

    def _turn(self) -> None:
        """The page is full: ask what to do. Raises Quit."""
        from ntbtrace.repl.pager import Answer, ask

        answer = ask()
        if answer == Answer.QUIT:
            raise Quit
        if answer == Answer.ALL:
            self._left = None
        else:
            self._left = 1 if answer == Answer.LINE else shutil.get_terminal_size().lines - 1

    def progress(self, label: str, total: int) -> "AbstractContextManager[Say]":
        return progress(label, total)


def choose(highlighter: Highlighter) -> Plain:
    """The output that fits where standard output leads."""
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        return Plain()
    return Terminal(highlighter, colour=not os.environ.get("NO_COLOR"))
