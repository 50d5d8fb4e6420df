# SPDX-License-Identifier: GPL-2.0-or-later
"""StatusLine: what a long command shows while it runs: one line that is rewritten, or a line per change in a pipe.

Nobody has to look: a reader that goes away (a closed terminal, `| head`) ends the status and not the command.
"""

import shutil
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
        self._gone = False

    def show(self, text: str, milestone: str) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1  # a longer one would stay behind as lines
            self._write(f"\r\x1b[K{plain(text)[:width]}")
        elif milestone != self._last:
            self._last = milestone
            self._write(f"{plain(milestone)}\n")

    def tell(self, line: str) -> None:
        """Print a line that stays, once."""
        if line not in self._told:
            self._told.add(line)
            self.done()
            self._write(f"{plain(line)}\n")

    def event(self, port: str, what: str) -> None:
        """Print what happened at a port."""
        self.done()
        self._write(f"port {port}: {plain(what)}\n")

    def done(self) -> None:
        """Leave the line as it is; what is printed next begins a new one."""
        if self._terminal:
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._gone = True
