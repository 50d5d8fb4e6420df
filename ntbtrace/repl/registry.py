# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands: a function is one, its signature says what it takes and its docstring what it does.

    @command("moving", "s")
    def step(session: Session, count: Count = 1) -> None:
        '''Go to the next event, or COUNT events on.'''

Usage, help, completion and the checking of what a user types are all derived from that. An annotation is
`Annotated[type, argument]` with an argument of arguments.py.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from ntbtrace.errors import NtbTraceError
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session


TOPIC = "info"  # the group of its topics


class Choice(NamedTuple):
    """A completion: `text` replaces the last `length` characters before the cursor."""

    text: str
    length: int
    doc: str = ""


class Argument:
    """One kind of argument. `rest`: it takes all of the line that is left."""

    metavar = "WORD"
    rest = False

    def parse(self, session: "Session", text: str) -> Any:
        """What the text means. Raises NtbTraceError."""
        return text

    def complete(self, session: "Session", text: str) -> Iterable[Choice]:
        """What `text`, which ends at the cursor, can become."""
        return ()


@dataclass(frozen=True)
class Parameter:
    name: str
    argument: Argument
    default: Any

    @property
    def needed(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def usage(self) -> str:
        return self.argument.metavar if self.needed else f"[{self.argument.metavar}]"


@dataclass(frozen=True)
class Command:
    """`group` is the heading under which help lists it; `repeats`: an empty line does it once more."""

    name: str
    group: str
    call: Callable[..., None]
    parameters: tuple[Parameter, ...]
    doc: str
    aliases: tuple[str, ...] = ()
    repeats: bool = False

    @property
    def typed(self) -> str:
        """What is typed for it: 'step', 'info links'."""
        return f"{self.group} {self.name}" if self.group == TOPIC else self.name

    @property
    def usage(self) -> str:
        return " ".join((self.typed, *(one.usage for one in self.parameters)))

    @property
    def brief(self) -> str:
        """The first sentence of its description."""
        return " ".join(self.doc.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")

    def words(self, text: str) -> Iterator[tuple[Parameter, str]]:
        """The arguments in `text`, each with its parameter. Raises NtbTraceError for one too many."""
        left = text.strip()
        for parameter in self.parameters:
            if not left:
                return
            if parameter.argument.rest:
                yield parameter, left
                return
            word, _, left = left.partition(" ")
            left = left.strip()
            yield parameter, word
        if left:
            raise NtbTraceError(f"{self.typed} does not take {plain(left[:60])!r}: usage: {self.usage}")

    def run(self, session: "Session", text: str) -> None:
        """Raises NtbTraceError for arguments that it does not take."""
        given: dict[str, Any] = {}
        for parameter, word in self.words(text):
            given[parameter.name] = parameter.argument.parse(session, word)
        for parameter in self.parameters:
            if parameter.needed and parameter.name not in given:
                raise NtbTraceError(f"{self.typed} needs {parameter.argument.metavar}: usage: {self.usage}")
        self.call(session, **given)


@dataclass
class Table:
    """Commands by name; `what`: what they are called in errors, `lists`: the command that lists them."""

    what: str
    lists: str
    commands: dict[str, Command] = field(default_factory=dict)

    def add(self, command: Command) -> None:
        self.commands[command.name] = command

    def remove(self, name: str) -> None:
        self.commands.pop(name, None)

    def find(self, word: str) -> Command:
        """By name, alias or the beginning of a name. Raises NtbTraceError with what it could have been."""
        found = self.commands.get(word) or next((c for c in self.commands.values() if word in c.aliases), None)
        if found is not None:
            return found
        begun = sorted(name for name in self.commands if name.startswith(word))
        if len(begun) == 1:
            return self.commands[begun[0]]
        if begun:
            raise NtbTraceError(f"{plain(word)} is ambiguous: {', '.join(begun)}")
        near = get_close_matches(word, self.commands, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"`{self.lists}` lists every {self.what}"
        raise NtbTraceError(f"there is no {self.what} {plain(word[:60])!r}: {hint}")

    def groups(self) -> dict[str, list[Command]]:
        groups: dict[str, list[Command]] = {}
        for one in self.commands.values():
            groups.setdefault(one.group, []).append(one)
        return groups


COMMANDS = Table("command", "help")
TOPICS = Table("topic", "info")  # of info


def make(call: Callable[..., None], group: str, aliases: tuple[str, ...] = (), repeats: bool = False) -> Command:
    """The command that a function is. Raises TypeError for a parameter that is not `Annotated` with an Argument."""
    hints = get_type_hints(call, include_extras=True)
    parameters = []
    for one in list(inspect.signature(call).parameters.values())[1:]:
        argument = next(_arguments(hints[one.name]), None)
        if argument is None:
            raise TypeError(f"{call.__name__}: parameter {one.name} must be Annotated with an Argument")
        parameters.append(Parameter(one.name, argument, one.default))
    doc = inspect.getdoc(call)
    if not doc:
        raise TypeError(f"{call.__name__} needs a docstring: it is its help")
    name = call.__name__.rstrip("_").replace("_", "-")
    return Command(name, group, call, tuple(parameters), doc, aliases, repeats)


def _arguments(hint: Any) -> Iterator[Argument]:
    """Those in an annotation: Annotated[int, argument], or that and None."""
    yield from (one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Argument))
    for part in get_args(hint):
        yield from _arguments(part)


Decorated = Callable[[Callable[..., None]], Callable[..., None]]


def command(group: str, *aliases: str, repeats: bool = False) -> Decorated:
    def decorate(call: Callable[..., None]) -> Callable[..., None]:
        COMMANDS.add(make(call, group, aliases, repeats))
        return call

    return decorate


def topic(call: Callable[..., None]) -> Callable[..., None]:
    """`info NAME`."""
    TOPICS.add(make(call, TOPIC))
    return call
