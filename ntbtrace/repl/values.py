# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers and values in words: for prints, displays, changes and lists of registers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntbtrace.decode import field_value
from ntbtrace.event import NO_BAR, NO_ENDPOINT, SWITCH_OWNER, Event
from ntbtrace.query import Expression
from ntbtrace.query.nodes import Column, Held, Name, OfCode
from ntbtrace.render import kind_name, named, seconds, status_name
from ntbtrace.repl.search import Around
from ntbtrace.text import plain
from ntbtrace.trace.registers import RegisterTable

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

REGISTER_BITS = 32
_IN_WORDS: dict[Column, Callable[[int], str]] = {
    Column.KIND: kind_name,
    Column.STATUS: status_name,
    Column.T: lambda t: f"{seconds(t)} s",
}
NO_EVENT = Event(0, 0, 0, NO_ENDPOINT, NO_BAR, 0, 0, 0, 0, 0, None, None)


def target_name(registers: RegisterTable, target: int) -> str:
    """'2:NTCTL'; 'SESTS' for a register of the switch."""
    owner = target >> 24
    name = plain(registers.name(target))
    return name if owner == SWITCH_OWNER else f"{owner}:{name}"


def value_of(registers: RegisterTable, target: int, value: int) -> str:
    """'0x2 CPEN=1': the fields that are not 0, with the names of their values."""
    fields = registers.fields(target)
    shown = [
        f"{plain(field.name)}={named(found, field.values)}"
        for field in sorted(fields, key=lambda one: one.lsb)
        if (found := field_value(field, value)) and field.width < REGISTER_BITS
    ]
    return " ".join((f"{value:#x}", *shown))


def evaluated(session: "Session", expression: Expression) -> str:
    """The expression's value for the event here, in hex and decimal, with the names of a register's fields."""
    value = value_here(session, expression)
    root = expression.root
    if value is None:
        whose = "the event here" if expression.needs_event or not isinstance(root, Held) else "that port"
        return f"nothing: {whose} does not have it"
    if isinstance(root, Held) and root.width == REGISTER_BITS:
        return value_of(session.registers, root.id, value)
    if isinstance(root, OfCode) and root.column != Column.LINE:
        return plain(root.source.word(root.column, value))
    text = f"{value:#x}" if value < 10 else f"{value:#x} ({value})"
    if isinstance(root, Held):
        for field in session.registers.fields(root.id):
            if (field.lsb, field.width) == (root.lsb, root.width) and value in field.values:
                return f"{text} {plain(field.values[value])}"
    if isinstance(root, Name) and root.column == Column.REG:
        return f"{text} {plain(session.registers.name(value))}"
    if isinstance(root, Name) and root.column in _IN_WORDS:
        return f"{text} {_IN_WORDS[root.column](value)}"
    return text


def value_here(session: "Session", expression: Expression) -> int | None:
    """Its value for the event here; at the start only registers have one. None: nothing."""
    here = session.here
    if here is None and expression.needs_event:
        return None
    return expression.at(Around(session, here))(here or NO_EVENT)
