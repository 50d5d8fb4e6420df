# SPDX-License-Identifier: GPL-2.0-or-later
"""A debugger in this process, driven line by line."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ntbtrace.errors import NtbTraceError
from ntbtrace.repl.out import Plain
from ntbtrace.repl.session import Say, Session
from ntbtrace.repl.shell import Shell
from ntbtrace.text import plain
from ntbtrace.trace import Trace, open_trace

TRACES = Path(__file__).parent.parent.parent / "traces"


class Collected(Plain):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        self.lines.append(plain(text))

    def error(self, text: str) -> None:
        self.lines.append(f"error: {plain(text)}")

    def progress(self, label: str, total: int) -> AbstractContextManager[Say]:
        return nullcontext(lambda done: None)


class Debugger:
    """`debugger("step 3")` gives the lines that this says; an error is one that begins with 'error: '."""

    def __init__(self, path: Path) -> None:
        self._begin(open_trace(path))

    def _begin(self, trace: Trace) -> None:
        self.out = Collected()
        self.session = Session(trace, self.out)
        self._shell = Shell(self.session, self.out)

    def afresh(self) -> "Debugger":
        """The same with a new session over the same trace."""
        self._begin(self.session.trace)
        return self

    def __call__(self, *lines: str) -> list[str]:
        self.out.lines.clear()
        left = iter(lines)
        for line in left:
            try:
                self._shell.perform(line, lambda prompt: next(left, None))
            except NtbTraceError as error:
                self.out.error(str(error))
        return list(self.out.lines)

    def text(self, *lines: str) -> str:
        return "\n".join(self(*lines))

    @property
    def here(self) -> int | None:
        """The seq of the event here."""
        return self.session.previous_seq(self.session.position)

    def close(self) -> None:
        self.session.trace.close()
