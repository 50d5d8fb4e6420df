# SPDX-License-Identifier: GPL-2.0-or-later
"""Shell: takes command lines, from a person or a script, carries them out, and turns errors into one line each.

A script (or a pipe) ends at its first error, with exit code 2; a person reads the error and goes on.
"""

from collections.abc import Callable, Iterable, Sequence

from ntbtrace.errors import NtbTraceError
from ntbtrace.repl import commands
from ntbtrace.repl.out import Plain, Quit
from ntbtrace.repl.registry import COMMANDS, Command
from ntbtrace.repl.session import Session

OK, NO, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
MAX_DEPTH = 20
MAX_QUEUE = 10_000  # commands of breakpoints that may follow one command of the user's

Ask = Callable[[str], str | None]  # the next line, after a prompt; None at the end


class ScriptError(NtbTraceError):
    """What is wrong in a script, with file and line."""


class Shell:
    """`session.failed` becomes exit code 1: an `expect` did not hold."""

    def __init__(self, session: Session, out: Plain) -> None:
        commands.load()
        self.session = session
        self.out = out
        session.run_lines = self.run_lines
        self._depth = 0  # of scripts within scripts
        self._again: tuple[Command, str] | None = None  # what an empty line does

    def perform(self, line: str, ask: Ask) -> None:
        """Carry out one line, and what breakpoints hang on it. Raises NtbTraceError, KeyboardInterrupt."""
        session = self.session
        session.ask = ask
        self._one(line)
        again, done = self._again, 0
        try:
            while session.queue and not session.done:
                done += 1
                if done > MAX_QUEUE:
                    raise NtbTraceError(f"the breakpoints' commands went on and on: stopped after {MAX_QUEUE}")
                self._one(session.queue.pop(0))
        finally:
            session.queue.clear()
            self._again = again  # an empty line does again what the user typed, not what a breakpoint did

    def _one(self, line: str) -> None:
        line = line.strip()
        if line.startswith("#"):
            return
        self.session.extensions.refresh()
        if line:
            word, _, rest = line.partition(" ")
            if "/" in word and word.partition("/")[0] in ("p", "print", "x"):  # a gdb habit
                raise NtbTraceError(
                    f"formats such as {word.partition('/')[2]!r} are not needed: values stand in hex and decimal"
                )
            command = COMMANDS.find(word)
            again = (command, rest) if command.repeats else None
        elif self._again is None:
            return
        else:
            again = command, rest = self._again
        self.out.begin()
        try:
            command.run(self.session, rest)
        except Quit:
            self.session.queue.clear()
        finally:
            self._again = again

    def run_lines(self, lines: Sequence[str], name: str) -> None:
        """A file's lines, as part of a command. Raises NtbTraceError that tells file and line."""
        if self._depth == MAX_DEPTH:
            raise NtbTraceError(f"{name} is the {MAX_DEPTH + 1}th script within another: does it source itself?")
        left = iter(enumerate(lines, 1))
        session, ask = self.session, self.session.ask
        self._depth += 1
        try:
            for number, line in left:
                try:
                    self.perform(line, lambda prompt: next((text for _, text in left), None))
                except ScriptError:
                    raise  # of a script within this one: it tells the place itself
                except NtbTraceError as error:
                    raise ScriptError(f"{name}:{number}: {error}") from error
                if session.done:
                    return
        finally:
            self._depth -= 1
            session.ask = ask

    def script(self, lines: Iterable[str]) -> int:
        """All lines, up to an error or `quit`; the exit code."""
        left = iter(lines)

        def ask(prompt: str) -> str | None:
            return next(left, None)

        for line in left:
            try:
                self.perform(line.rstrip("\n"), ask)
            except NtbTraceError as error:
                self.out.error(f"ntbtrace: {error}")
                return BAD_INPUT
            if self.session.done:
                break
        return NO if self.session.failed else OK

    def talk(self, ask: Ask) -> int:
        """With a person: until they leave. Errors are said; Ctrl-C ends a command, and the next prompt comes."""
        while not self.session.done:
            try:
                line = ask("")
                if line is None:
                    break
                self.perform(line, ask)
            except NtbTraceError as error:
                self.out.error(str(error))
            except KeyboardInterrupt:
                self.out.line("interrupted")
        return NO if self.session.failed else OK
