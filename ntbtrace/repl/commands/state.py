# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at the device and at the guests' memory, as they are at this place."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from itertools import islice
from typing import Annotated

from ntbtrace.decode import field_value
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import SWITCH_OWNER, port_name
from ntbtrace.render import kind_name, named, seconds
from ntbtrace.repl.arguments import PORT, Address, Count, Place, Register, Word
from ntbtrace.repl.registry import Argument, Choice, command
from ntbtrace.repl.session import Session
from ntbtrace.repl.values import target_name
from ntbtrace.replay.history import changes
from ntbtrace.replay.memory import known_memory
from ntbtrace.text import plain
from ntbtrace.trace.registers import Field

GROUP = "state"
SWITCH = "switch"
LINE = 16  # bytes of memory in a line


class Owner(Argument):
    metavar = "PORT"

    def parse(self, session: Session, text: str) -> str:
        return text

    def complete(self, session: Session, text: str) -> list[Choice]:
        return [
            *PORT.complete(session, text),
            *([Choice(SWITCH, len(text), "registers of the switch")] if SWITCH.startswith(text) else []),
        ]


@command(GROUP, "r", "regs")
def registers(
    session: Session, port: Annotated[str, Owner()] = "", pattern: Annotated[str, Word("PATTERN")] = ""
) -> None:
    """Registers as they are here, by field; * marks what has changed since the last stop.

    PORT is a port, or `switch`; PATTERN a name, its beginning, or one with * and ?. Without a pattern those are left
    out that are 0 and have not changed.

    Examples: registers, registers 2, registers 0 BARSETUP*, registers switch SE
    """
    if port and not port.isdecimal() and port != SWITCH and not pattern:
        port, pattern = "", port
    owner = None if not port else SWITCH_OWNER if port == SWITCH else PORT.parse(session, port)
    matching = _matcher(pattern)
    targets = [
        target
        for target in session.device().state_targets()
        if owner in (None, target >> 24) and matching(session.registers.name(target))
    ]
    before, now = held(session, targets, session.stopped_before), held(session, targets, session.position)
    shown = [target for target in targets if pattern or now[target] or now[target] != before[target]]
    for target in shown:
        session.out.line(register_line(session, target, now[target], before[target]))
    if not shown and pattern:
        if pattern.isidentifier():
            session.registers.find(pattern)  # says which names are near
        raise NtbTraceError(f"no register here is called {plain(pattern)!r}")
    if not shown:
        session.out.line("all registers are 0")


def held(session: Session, targets: Iterable[int], position: int) -> dict[int, int]:
    """What registers hold at a position."""
    switch = session.device(position)
    return {target: switch.peek(target) or 0 for target in targets}


def _matcher(pattern: str) -> Callable[[str], bool]:
    upper = pattern.upper()
    if "*" in upper or "?" in upper:
        return lambda name: fnmatchcase(name.upper(), upper)
    return lambda name: name.upper().startswith(upper)


def register_line(session: Session, target: int, value: int, old: int) -> str:
    fields = sorted(session.registers.fields(target), key=lambda one: one.lsb)
    several = len(fields) > 1 or (bool(fields) and fields[0].width < 32)
    shown = [text for one in fields if several and (text := _field_text(one, value, old))]
    mark = "*" if value != old else " "
    was = f" was {old:#x}" if value != old and not several else ""
    return f"{mark} {target_name(session.registers, target):<16} {value:#010x}{was} {' '.join(shown)}".rstrip()


def _field_text(field: Field, value: int, old: int) -> str:
    new, before = field_value(field, value), field_value(field, old)
    name = plain(field.name)
    if new != before:
        return f"{name} {named(before, field.values)}->{named(new, field.values)}"
    return f"{name}={named(new, field.values)}" if new else ""


@command(GROUP)
def x(session: Session, address: Address, count: Count = 64, port: Annotated[int | None, PORT] = None) -> None:
    """COUNT bytes of a guest's memory from ADDRESS on, as far as the trace knows them.

    They are what passed the bridge last, of the port here or of PORT. ?? stands for bytes that nobody has read or
    written there through the switch until now.

    Examples: x 0x4b00000, x 0x4b00000 256 2
    """
    if count > 1 << 20:
        raise NtbTraceError(f"at most {1 << 20} bytes at once, not {count}")
    where = session.port if port is None else port
    memory = known_memory(session.trace, where, address, count, session.position)
    if session.trace.header.payloads != "full":
        session.out.line("this trace was recorded with --no-payload: the bytes are keyed hashes of what was there")
    if not any(byte is not None for byte in memory.bytes):
        session.out.line(
            f"the trace knows nothing of port {where}'s memory at {address:#x} up to here: "
            + ("nothing passed the bridge there" if memory.mapped else "the guest has no memory there")
        )
        return
    session.out.line(f"port {where}:")
    for at in range(0, count, LINE):
        row = memory.bytes[at : at + LINE]
        hexes = " ".join("??" if byte is None else f"{byte:02x}" for byte in row)
        text = "".join(" " if b is None else chr(b) if 32 <= b < 127 else "." for b in row)
        session.out.line(f"{address + at:#014x}  {hexes:<{3 * LINE - 1}}  {text}".rstrip())
    if memory.last is not None:
        session.out.line(f"written last by event {memory.last}")


@command(GROUP)
def history(session: Session, register: Register, count: Count = 20) -> None:
    """The last COUNT changes of a register or field up to here: which event, what from, what to.

    Example: history 2:INDBELLSTS
    """
    targets = session.targets(register.port, register.ids)
    found = []
    with session.out.progress("looking back", session.end) as say:
        for target in targets:
            mask = register.mask(session.registers, target)
            last = session.position - 1
            moves = changes(
                session.trace, target, mask, session.start, last, newest_first=True, player=session.scout, progress=say
            )
            found += [(event.seq, event, target, old, new) for event, old, new in islice(moves, count)]
    if not found:
        session.out.line(f"{register.text} has not changed up to here")
        return
    rows = sorted(found)[-count:]
    texts = [_moved(session, register.field, target, old, new) for _, _, target, old, new in rows]
    width = max(map(len, texts))
    for (seq, event, target, _, _), move in zip(rows, texts, strict=True):
        name = target_name(session.registers, target)
        by = f"port {port_name(event.endpoint)} {kind_name(event.kind)} {session.renderer(seq).what(event)}"
        session.out.line(f"{seq:>8} {seconds(event.t):>12}  {name:<14} {move:<{width}}  by {by}".rstrip())


def _moved(session: Session, name: str | None, target: int, old: int, new: int) -> str:
    fields = [one for one in session.registers.fields(target) if name in (None, one.name.upper())]
    texts = [_field_text(one, new, old) for one in fields if field_value(one, old) != field_value(one, new)]
    return " ".join(texts) or f"{old:#x}->{new:#x}"


@command(GROUP)
def diff(
    session: Session, first: Annotated[int, Place("FROM")], second: Annotated[int | None, Place("TO")] = None
) -> None:
    """Registers that differ between two places, FROM and TO (here).

    Example: diff start end
    """
    second = session.position if second is None else second
    targets = session.device(first).state_targets()
    before, now = held(session, targets, first), held(session, targets, second)
    changed = [target for target in targets if now[target] != before[target]]
    for target in changed:
        session.out.line(register_line(session, target, now[target], before[target])[2:])
    if not changed:
        session.out.line("no register differs")
