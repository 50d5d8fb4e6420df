# SPDX-License-Identifier: GPL-2.0-or-later
"""What commands take: each kind of argument checks what is typed, and completes it with what is known about it."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ntbtrace.errors import NtbTraceError
from ntbtrace.query import Asking, Expression, parse
from ntbtrace.query.nodes import Held, children
from ntbtrace.repl import place
from ntbtrace.repl.names import field_choices, name_choices, register_choices
from ntbtrace.repl.registry import COMMANDS, TOPICS, Argument, Choice, Table
from ntbtrace.text import plain
from ntbtrace.trace.registers import Field, RegisterTable

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

REGISTER_MASK = 0xFFFF_FFFF
_REGISTER = re.compile(r"\$?(?:(?P<port>[0-9]{1,2}):)?(?P<name>[A-Za-z]\w*)(?:\.(?P<field>\w*))?")
_LAST_NAME = re.compile(r"[$\w:.]*$")


class Number(Argument):
    """A whole number from `least` on, decimal or 0x."""

    def __init__(self, metavar: str, least: int = 0) -> None:
        self.metavar = metavar
        self.least = least

    def parse(self, session: "Session", text: str) -> int:
        try:
            number = int(text, 0)
        except ValueError:
            number = self.least - 1
        if number > sys.maxsize:
            raise NtbTraceError(f"{self.metavar} must be at most {sys.maxsize:#x}, not {plain(text[:40])!r}")
        if number < self.least:
            raise NtbTraceError(f"{self.metavar} must be a whole number from {self.least} on, not {plain(text[:40])!r}")
        return number


class PortNumber(Argument):
    metavar = "PORT"

    def parse(self, session: "Session", text: str) -> int:
        number = text.removeprefix("port=")
        if not number.isdecimal() or int(number) not in session.ports:
            known = ", ".join(map(str, session.ports))
            raise NtbTraceError(f"PORT must be one of {known}, not {plain(text[:40])!r}")
        return int(number)

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        yield from begun(text, {str(port): f"partition {part}" for port, part in session.ports.items()})


class Named(NamedTuple):
    """Registers, or a field of them, as the user named them. `port` None: of any port; `field` None: all of it."""

    text: str
    port: int | None
    ids: tuple[int, ...]
    field: str | None

    def fields(self, registers: RegisterTable) -> list[Field]:
        """The field in each of the registers that have it; none where no field was named."""
        return [f for number in self.ids for f in registers.fields(number) if f.name.upper() == self.field]

    def mask(self, registers: RegisterTable, number: int) -> int:
        """The bits that are meant in the register with this id."""
        if self.field is None:
            return REGISTER_MASK
        return sum(((1 << f.width) - 1) << f.lsb for f in registers.fields(number) if f.name.upper() == self.field)


class RegisterName(Argument):
    """[PORT:]REG[.FIELD]"""

    metavar = "[PORT:]REG[.FIELD]"

    def parse(self, session: "Session", text: str) -> Named:
        match = _REGISTER.fullmatch(text)
        if match is None:
            raise NtbTraceError(
                f"a register is {self.metavar}, such as NTCTL, 2:NTCTL or NTCTL.CPEN, not {plain(text[:60])!r}"
            )
        port = None if match["port"] is None else PORT.parse(session, match["port"])
        registers = session.registers
        found = Named(text.lstrip("$"), port, tuple(registers.find(match["name"])), None)
        if match["field"] is None:
            return found
        found = found._replace(field=match["field"].upper())
        if not found.fields(registers):
            parse(f"{match['name']}.{match['field']}", registers)  # says which fields there are
        return found

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        _port, colon, rest = text.rpartition(":")
        name, dot, field = rest.partition(".")
        if dot:
            yield from field_choices(session.registers, name, field)
            return
        if not colon:
            yield from begun(text, {f"{one}:": "registers of that port" for one in session.ports})
        yield from register_choices(session.registers, rest)


class Place(Argument):
    """An event, a time, a part of the trace, its ends, a bookmark."""

    def __init__(self, metavar: str = "PLACE") -> None:
        self.metavar = metavar

    def parse(self, session: "Session", text: str) -> int:
        return place.parse_place(text, session.trace, session.position, session.bookmarks)

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        marks = {name: f"bookmark, event {seq - 1}" for name, seq in session.bookmarks.items()}
        yield from begun(text, {**place.WORDS, **marks})


def expression(session: "Session", text: str, asking: Asking = Asking.MARKED) -> Expression:
    """What was written, which asks only ports that this recording has. Raises NtbTraceError."""
    found = parse(text, session.registers, asking)
    nodes = [found.root]
    while nodes:
        one = nodes.pop()
        if isinstance(one, Held) and one.owner is not None:
            PORT.parse(session, str(one.owner))
        nodes += children(one)
    return found


class Condition(Argument):
    """An expression; `asking`: what of the device it may ask."""

    metavar = "EXPR"
    rest = True

    def __init__(self, asking: Asking = Asking.MARKED) -> None:
        self.asking = asking

    def parse(self, session: "Session", text: str) -> Expression:
        return expression(session, text, self.asking)

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        found = _LAST_NAME.search(text)
        yield from name_choices(session.registers, text, found[0] if found else "", self.asking)


class OneOf(Argument):
    """One of a few words."""

    def __init__(self, metavar: str, words: dict[str, str]) -> None:
        self.metavar = metavar
        self.words = words

    def parse(self, session: "Session", text: str) -> str:
        found = [word for word in self.words if word.startswith(text)]
        if text in self.words or len(found) == 1:
            return text if text in self.words else found[0]
        raise NtbTraceError(f"{self.metavar} must be one of {', '.join(self.words)}, not {plain(text[:40])!r}")

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        yield from begun(text, self.words)


class Word(Argument):
    def __init__(self, metavar: str, rest: bool = False) -> None:
        self.metavar = metavar
        self.rest = rest


class File(Argument):
    metavar = "FILE"
    rest = True

    def parse(self, session: "Session", text: str) -> Path:
        if "\0" in text:
            raise NtbTraceError(f"a file cannot be called {plain(text[:40])!r}")
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        try:
            return Path(text[1:-1] if quoted else text).expanduser()
        except RuntimeError as error:  # ~nobody
            raise NtbTraceError(f"{plain(text)!r}: {error}") from error

    def complete(self, session: "Session", text: str) -> Iterator[Choice]:
        try:
            path = Path(text or ".").expanduser()
            folder, start = (path, "") if text.endswith("/") or not text else (path.parent, path.name)
            entries = sorted(folder.iterdir())
        except (OSError, RuntimeError, ValueError):  # no such folder, no such user, no such name
            return
        for one in entries:
            if one.name.startswith(start):
                yield Choice(one.name + ("/" if one.is_dir() else ""), len(start))


class OfTable(Argument):
    """A command or a topic, and what it takes."""

    rest = True

    def __init__(self, metavar: str, table: Table, arguments: bool) -> None:
        self.metavar = metavar
        self.table = table
        self.arguments = arguments

    def parse(self, session: "Session", text: str) -> Any:
        return text

    def complete(self, session: "Session", text: str) -> Iterable[Choice]:
        word, space, rest = text.partition(" ")
        if not space:
            yield from begun(word, {one.name: one.brief for one in self.table.commands.values()})
        elif self.arguments:
            yield from complete_arguments(session, self.table, word, rest)


def begun(text: str, words: dict[str, str]) -> Iterator[Choice]:
    """Those of `words` that begin with `text`."""
    return (Choice(word, len(text), doc) for word, doc in words.items() if word.startswith(text))


def complete_arguments(session: "Session", table: Table, word: str, text: str) -> Iterable[Choice]:
    """What the arguments `text`, which end at the cursor, of the command `word` can become."""
    try:
        found = table.find(word)
    except NtbTraceError:
        return ()
    left = text.lstrip()
    for parameter in found.parameters:
        _first, space, rest = left.partition(" ")
        if parameter.argument.rest or not space:
            return parameter.argument.complete(session, left)
        left = rest.lstrip()
    return ()


PORT = PortNumber()
REGISTER = RegisterName()
EXPRESSION = Condition()

Count = Annotated[int, Number("COUNT", 1)]
Address = Annotated[int, Number("ADDRESS")]
BreakpointNumber = Annotated[int, Number("NUMBER", 1)]
Port = Annotated[int, PORT]
Register = Annotated[Named, REGISTER]
Position = Annotated[int, Place()]
Where = Annotated[Expression, EXPRESSION]
Value = Annotated[Expression, Condition(Asking.BARE)]
FilePath = Annotated[Path, File()]
CommandName = Annotated[str, OfTable("COMMAND", COMMANDS, arguments=False)]
TopicName = Annotated[str, OfTable("TOPIC", TOPICS, arguments=True)]
