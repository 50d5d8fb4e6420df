# SPDX-License-Identifier: GPL-2.0-or-later
"""The real program on a pseudo-terminal, whose screen is emulated: types, and waits for what is to be seen."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

ENTER, TAB, CTRL_C, CTRL_D, CTRL_R, CTRL_U = "\r", "\t", "\x03", "\x04", "\x12", "\x15"
PATIENCE_S = 30
BRACKETED_PASTE = 2004 << 5  # as pyte numbers private modes
ROWS, COLUMNS = 24, 100


class Screen(pyte.Screen):
    """Answers what the program asks the terminal."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        super().__init__(COLUMNS, ROWS)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """`ntbtrace repl` with these arguments. `raw`: all that it wrote."""

    def __init__(self, *words: object, home: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "CI")}
        program = shlex.join([sys.executable, "-m", "ntbtrace", "repl", *map(str, words)])
        self._child = pexpect.spawn(
            "/bin/sh", ["-c", f"trap : INT; stty -g; {program}; echo code=$?; stty -g"], dimensions=(ROWS, COLUMNS),
            encoding="utf-8", env={**kept, "TERM": "xterm-256color", "XDG_STATE_HOME": str(home), **environment},
        )  # fmt: skip
        self._child.delaybeforesend = None
        self.screen = Screen(self._child.send)
        self._stream = pyte.Stream(self.screen)
        self.raw = ""

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def prompt(self) -> str:
        """The line with the cursor."""
        return self.lines[self.screen.cursor.y]

    def type(self, text: str) -> None:
        self._child.send(text)

    def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait until that holds on the screen."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"{what or 'it'} did not come:\n{self.text}"
            self._read()

    def see(self, text: str) -> None:
        self.until(lambda: text in self.text, repr(text))

    def ready(self) -> None:
        """Wait for a prompt with nothing typed."""
        self.until(lambda: self.prompt == "(ntbtrace)", "the prompt")

    def do(self, line: str) -> str:
        """Carry out a line; all of the screen once the next prompt has come."""
        self.ready()
        before = self.raw.count(line)
        self.type(line)
        if line:
            self.until(lambda: self.raw.count(line) > before or self.prompt == f"(ntbtrace) {line}", line)
        row = len(self.raw)
        self.type(ENTER)
        self.until(lambda: len(self.raw) > row and self.prompt == "(ntbtrace)", "the next prompt")
        return self.text

    def resize(self, rows: int, columns: int) -> None:
        gone = max(0, self.screen.lines - rows)  # from the top: the cursor goes with its line
        self.screen.resize(rows, columns)
        self.screen.cursor.y = max(0, self.screen.cursor.y - gone)
        self._child.setwinsize(rows, columns)

    def leave(self, keys: str = CTRL_D) -> int:
        """End the session; its exit code. The terminal must be as it was before."""
        self.type(keys)
        self.until(lambda: not self._read(), "the end")
        self._child.close()
        lines = self.raw.replace("\r", "").strip().split("\n")
        assert lines[-1] == lines[0], f"{lines[-1]}: the terminal's attributes are what they were"
        assert pyte.modes.DECTCEM in self.screen.mode, "the cursor is shown"
        assert BRACKETED_PASTE not in self.screen.mode
        return int(lines[-2].rpartition("code=")[2])

    def _read(self) -> bool:
        """What there is to read, once there is something; False at the end."""
        try:
            data = self._child.read_nonblocking(1 << 16, timeout=1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True
