# SPDX-License-Identifier: GPL-2.0-or-later
"""What users add to the debugger in Python: `--load my_decoders.py` (docs/debugger.md, "Your own decoders").

    from ntbtrace.repl import command, decoder

    @decoder("OUTMSG0")                  # a register, or several (OUTMSG), or an event's kind, such as mem_write
    def perf_message(event):             # an ntbtrace.event.Event
        return f"command {event.value}"  # stands behind the event's line; None: nothing

    @command
    def peers(session):                  # session.trace, session.device(), session.out.line(text)
        '''Say which ports there are.'''
        session.out.line(f"ports {list(session.ports)}")

The file is read again when it has changed. What goes wrong in it is said, and the session goes on.
"""

import inspect
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event, Kind
from ntbtrace.query.one import TARGET_ID
from ntbtrace.repl.registry import COMMANDS, Argument, Command, make
from ntbtrace.text import plain
from ntbtrace.trace.registers import RegisterTable

Decoder = Callable[[Event], str | None]
GROUP = "your own"

FAILURES = (Exception, SystemExit)  # of whatever a user's code does

_loading: "Loaded | None" = None


class Loaded:
    """One file of a user's, and what it added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = -1  # when it had been changed last, as it was read
        self.decoders: list[tuple[str, Decoder]] = []  # by what they are for, as the file says it
        self.for_registers: dict[int, list[Decoder]] = {}  # by id
        self.for_kinds: dict[int, list[Decoder]] = {}
        self.commands: list[Command] = []

    def clear(self) -> None:
        for added in (self.decoders, self.for_registers, self.for_kinds, self.commands):
            added.clear()

    def resolve(self, registers: RegisterTable) -> None:
        """Find what the decoders are for. Raises NtbTraceError for what is neither a register nor a kind."""
        for what, one in self.decoders:
            if what.upper() in Kind.__members__:
                self.for_kinds.setdefault(Kind[what.upper()], []).append(one)
                continue
            for number in registers.find(what):
                self.for_registers.setdefault(number, []).append(one)


class Extensions:
    """All that were loaded in a session over a trace with these registers."""

    def __init__(self, registers: RegisterTable) -> None:
        self._registers = registers
        self.files: list[Loaded] = []

    def load(self, path: Path) -> None:
        """Raises NtbTraceError for a file that is broken; a later `refresh` tries again when it has changed."""
        loaded = next((one for one in self.files if one.path == path), None)
        if loaded is None:
            loaded = Loaded(path)
            self.files.append(loaded)
        _read(loaded, self._registers)

    def refresh(self) -> None:
        """Read files again that have changed. Raises NtbTraceError for one that is broken now."""
        for one in self.files:
            if _changed(one.path) != one.changed:
                _read(one, self._registers)

    def decode(self, event: Event) -> str:
        """What the decoders say about an event; '' if none has anything to say."""
        said = []
        for loaded in self.files:
            by_register = loaded.for_registers.get(event.target & TARGET_ID, ())
            said += [_call(one, event) for one in (*loaded.for_kinds.get(event.kind, ()), *by_register)]
        return " ".join(part for part in said if part)


def decoder(what: str) -> Callable[[Decoder], Decoder]:
    """`what`: the register's name (OUTMSG0; OUTMSG: each of them) or the event's kind (mem_write) that the function
    explains.
    """
    if not isinstance(what, str):
        raise TypeError('decoder takes a name: @decoder("OUTMSG0")')

    def decorate(call: Decoder) -> Decoder:
        if _loading is None:
            raise RuntimeError("decoder is for files that the debugger loads: ntbtrace repl --load FILE")
        _loading.decoders.append((what, call))
        return call

    return decorate


class Text(Argument):
    """What an argument without a type of ours is: a word, or the rest of the line for the last one."""

    def __init__(self, metavar: str, rest: bool) -> None:
        self.metavar = metavar
        self.rest = rest


def command(call: Callable[..., None]) -> Callable[..., None]:
    """The function becomes a command of its name; its arguments after `session` are texts."""
    if _loading is None:
        raise RuntimeError("command is for files that the debugger loads: ntbtrace repl --load FILE")
    session, *names = inspect.signature(call).parameters or [""]
    if not session:
        raise TypeError(f"{call.__name__} must take the session first")
    notes: dict[str, Any] = dict(call.__annotations__)
    for name in names:
        if not hasattr(notes.get(name), "__metadata__"):
            notes[name] = Annotated[str, Text(name.upper(), rest=name == names[-1])]
    call.__annotations__ = notes
    made = make(_guarded(call), GROUP)
    if made.name in COMMANDS.commands and COMMANDS.commands[made.name].group != GROUP:
        raise ValueError(f"{made.name} is a command of the debugger: choose another name")
    _loading.commands.append(made)
    return call


def _guarded(call: Callable[..., None]) -> Callable[..., None]:
    """The function, whose failures are errors of the debugger's kind."""

    @wraps(call)
    def run(*args: Any, **given: Any) -> None:
        try:
            call(*args, **given)
        except NtbTraceError:
            raise
        except FAILURES as error:
            raise NtbTraceError(f"{call.__name__}: {failure(error)}") from error

    return run


def _read(loaded: Loaded, registers: RegisterTable) -> None:
    global _loading
    for one in loaded.commands:
        COMMANDS.remove(one.name)
    loaded.clear()
    loaded.changed = _changed(loaded.path)
    try:
        text = loaded.path.read_text()
        _loading = loaded
        exec(compile(text, str(loaded.path), "exec"), {"__name__": "ntbtrace_decoders", "__file__": str(loaded.path)})
        loaded.resolve(registers)
    except OSError as error:
        raise NtbTraceError(f"cannot read {loaded.path}: {error.strerror}") from error
    except FAILURES as error:
        loaded.clear()
        raise NtbTraceError(
            f"{loaded.path}{_line(error, loaded.path)}: {failure(error)}; it adds nothing until it is mended"
        ) from error
    finally:
        _loading = None
    for one in loaded.commands:
        COMMANDS.add(one)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _line(error: BaseException, path: Path) -> str:
    """':12', where in the file it went wrong; '' if not there."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}" if error.lineno else ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def failure(error: BaseException) -> str:
    """An exception of a user's code, in words."""
    text = str(error.msg if isinstance(error, SyntaxError) else error)
    if isinstance(error, NtbTraceError):
        return plain(text)
    return plain(f"{type(error).__name__}{': ' if text else ''}{text}"[:300])


def _call(one: Decoder, event: Event) -> str:
    try:
        said = one(event)
        return "" if said is None else plain(str(said))
    except FAILURES as error:
        return f"({one.__name__}: {failure(error)})"
