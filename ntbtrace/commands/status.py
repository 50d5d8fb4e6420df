# SPDX-License-Identifier: GPL-2.0-or-later
"""StatusLine: what a long command shows while it runs: one line that is rewritten, or a line per change in a pipe."""

import sys
from typing import TextIO

from ntbtrace.text import plain


class StatusLine:
    """`show(text, milestone)`: on a terminal `text` rewrites the line; elsewhere a changed milestone is printed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._last = ""
        self._told: set[str] = set()

    def show(self, text: str, milestone: str) -> None:
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
        elif milestone != self._last:
            self._last = milestone
            print(milestone, file=self._stream, flush=True)

    def tell(self, line: str) -> None:
        """Print a line that stays, once."""
        if line not in self._told:
            self._told.add(line)
            self.done()
            print(plain(line), file=self._stream, flush=True)

    def event(self, port: str, what: str) -> None:
        """Print what happened at a port."""
        self.done()
        print(f"port {port}: {plain(what)}", file=self._stream, flush=True)

    def done(self) -> None:
        """Leave the line as it is; what is printed next begins a new one."""
        if self._terminal:
            self._stream.write("\n")
            self._stream.flush()
