# SPDX-License-Identifier: GPL-2.0-or-later
"""Help, scripts, Python, and the way out."""

import textwrap
from pathlib import Path
from typing import Annotated, Any

from ntbtrace.errors import NtbTraceError
from ntbtrace.query.nodes import COLUMN_DOCS
from ntbtrace.repl.arguments import CommandName, FilePath, Value, Word
from ntbtrace.repl.decoders import FAILURES, failure
from ntbtrace.repl.registry import COMMANDS, TOPIC, TOPICS, Command, Table, command
from ntbtrace.repl.run import told
from ntbtrace.repl.session import Session
from ntbtrace.repl.values import value_here
from ntbtrace.text import plain

GROUP = "the session"


@command(GROUP, "h", "?")
def help_(session: Session, name: CommandName = "") -> None:
    """What a command does and takes; without one, all commands; or `help expressions`."""
    out = session.out
    if name == "expressions":
        for column, doc in COLUMN_DOCS.items():
            out.line(f"  {column:<10} {doc}")
        for word, doc in SPECIAL.items():
            out.line(f"  {word:<10} {doc}")
        return
    if name:
        word, _, rest = name.partition(" ")
        one = COMMANDS.find(word)
        shown = TOPICS.find(rest.strip()) if one.name == TOPIC and rest.strip() else one
        for line in _explained(shown):
            out.line(line)
        if shown.name == TOPIC:
            for line in _listed(TOPICS):
                out.line(line)
        return
    for line in _listed(COMMANDS):
        out.line(line)
    out.line("")
    out.line("A command's beginning is enough if no other begins so. `help COMMAND` tells more.")


SPECIAL = {
    "$REG": "what a register of this port holds; $2:REG.FIELD: a field of port 2's (print needs no $)",
    "old": "in breakpoints: what the register held before the event; old.FIELD",
    "new": "in breakpoints: what it holds after the event; new.FIELD",
}


def _listed(table: Table) -> list[str]:
    lines = []
    for group, commands in table.groups().items():
        lines += ["", f"{group}:"] if len(table.groups()) > 1 else []
        for one in commands:
            short = f"{one.name} ({', '.join(one.aliases)})" if one.aliases else one.name
            lines.append(f"  {short:<24} {one.brief}")
    return lines[1:] if lines and not lines[0] else lines


def _explained(one: Command) -> list[str]:
    lines = [one.usage]
    if one.aliases:
        lines.append(f"short: {', '.join(one.aliases)}")
    return [*lines, "", *one.doc.splitlines()]


@command(GROUP, "q", "exit")
def quit_(session: Session) -> None:
    """Leave the debugger."""
    session.done = True


@command(GROUP)
def source(session: Session, file: FilePath) -> None:
    """Carry out the commands in FILE, up to the first error."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NtbTraceError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    session.run_lines(lines, str(file))


@command(GROUP)
def save(session: Session, file: FilePath) -> None:
    """Write breakpoints, displays and bookmarks to FILE as commands, for `source`."""
    lines = list(saved(session))
    try:
        file.write_text("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise NtbTraceError(f"cannot write {file}: {error.strerror}") from error
    session.out.line(f"{file}: {len(lines)} lines")


def saved(session: Session) -> list[str]:
    """The commands that make breakpoints, displays and bookmarks what they are."""
    lines = []
    for number, one in enumerate(session.breakpoints, 1):
        lines.append(f"{one.kind} {one.stop.text}")
        if one.ignore:
            lines.append(f"ignore {number} {one.ignore}")
        if one.commands:
            lines += [f"commands {number}", *one.commands, "end"]
        if not one.enabled:
            lines.append(f"disable {number}")
    lines += [f"display {one.text}" for one in session.displays.values()]
    here = session.position
    for name, position in session.bookmarks.items():
        lines += [f"goto {position - 1 if position > session.start else 'start'}", f"bookmark {name}"]
    if session.bookmarks:
        lines.append(f"goto {here - 1 if here > session.start else 'start'}")
    return lines


@command(GROUP)
def echo(session: Session, text: Annotated[str, Word("TEXT", rest=True)] = "") -> None:
    """Print TEXT, for scripts."""
    session.out.line(text)


@command(GROUP)
def expect(session: Session, expression: Value) -> None:
    """In a script: if the expression is not true here, say so, and end with exit code 1.

    Example: expect $2:NTCTL.CPEN == 1
    """
    value = value_here(session, expression)
    if not value:
        session.failed = True
        nothing = " (it has no value there)" if value is None else ""
        session.out.line(f"expected {plain(expression.text)}: not so at {told(session)}{nothing}")


@command(GROUP)
def py(session: Session, code: Annotated[str, Word("CODE", rest=True)]) -> None:
    """Run Python: an expression's value is printed. At hand: trace, switch, event, session.

    Examples: py len(trace), py switch.peek(event.target), py [e.seq for e in trace.where("kind == irq")]
    """
    names = session.python
    names |= {"session": session, "trace": session.trace, "event": session.here, "switch": Lazy(session)}
    try:
        try:
            compiled: Any = compile(code, "<py>", "eval")
        except SyntaxError:
            exec(compile(code, "<py>", "exec"), names)
            return
        value = eval(compiled, names)
        text = repr(value)
    except NtbTraceError:
        raise
    except FAILURES as error:
        raise NtbTraceError(failure(error)) from error
    if value is not None:
        for line in text.splitlines():
            for part in textwrap.wrap(plain(line), 1000) or [""]:
                session.out.line(part)


class Lazy:
    """The switch, which is performed up to here only when the user's code asks it for something."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session.device(), name)


@command(GROUP)
def load(session: Session, file: FilePath) -> None:
    """Load decoders and commands of your own from a Python FILE; it is read again when it changes.

    docs/debugger.md tells what stands in such a file.
    """
    session.extensions.load(Path(file))
