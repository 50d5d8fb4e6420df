# SPDX-License-Identifier: GPL-2.0-or-later
"""Completions of names: registers, fields, and what may stand at a place in an expression."""

import re
from collections.abc import Iterator

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Kind, Status
from ntbtrace.query import Asking
from ntbtrace.query.nodes import COLUMN_DOCS, Column
from ntbtrace.repl.registry import Choice
from ntbtrace.text import plain
from ntbtrace.trace.registers import Field, RegisterTable

WORDS = {"and": "both", "or": "one of both", "not": "the opposite", "in": "one of a list: port in (0, 2)"}
MOVED = {"old": "what the register held before the event", "new": "what it holds after the event"}
_COMPARED = re.compile(r"\b(kind|status|reg|port)\s*(?:==|!=)\s*\w*$")


def register_choices(registers: RegisterTable, text: str, mark: str = "") -> Iterator[Choice]:
    """Registers, and arrays of them, that begin with `text` in any case."""
    for name in registers.names():
        if name.startswith(text.upper()):
            yield Choice(mark + plain(name), len(mark) + len(text), plain(registers.doc(registers.find(name)[0])))


def field_choices(registers: RegisterTable, register: str | None, text: str) -> Iterator[Choice]:
    """Fields of the register, of any one (None)."""
    try:
        ids = registers.ids() if register is None else registers.find(register)
    except NtbTraceError:
        return
    fields: dict[str, Field] = {}
    for number in ids:
        for field in registers.fields(number):
            fields.setdefault(field.name, field)
    for name, field in fields.items():
        if name.upper().startswith(text.upper()):
            values = ", ".join(f"{value}={word}" for value, word in field.values.items())
            yield Choice(
                plain(name), len(text), plain(" ".join(part for part in (field.access, field.doc, values) if part))
            )


def name_choices(registers: RegisterTable, text: str, name: str, asking: Asking) -> Iterator[Choice]:
    """What may stand at the end of the expression `text`, whose last name is `name`."""
    base, dot, field = name.rpartition(".")
    if dot:
        base = base.lstrip("$").rpartition(":")[2]
        yield from field_choices(registers, None if base in (Column.VALUE, *MOVED) else base, field)
        return
    compared = _COMPARED.search(text)
    if compared:
        yield from _words(registers, compared[1], name)
        return
    _port, colon, rest = name.rpartition(":")
    marked = name.startswith("$")
    if marked or colon or asking == Asking.BARE:
        yield from register_choices(registers, rest.lstrip("$"), "$" if marked and not colon else "")
    if marked or colon:
        return
    words = {**{str(column): doc for column, doc in COLUMN_DOCS.items()}, **WORDS}
    if asking != Asking.NOTHING:
        words |= MOVED
    for word, doc in words.items():
        if word.startswith(name):
            yield Choice(word, len(name), doc)
    if name and asking != Asking.BARE:
        yield from register_choices(registers, name)


def _words(registers: RegisterTable, column: str, text: str) -> Iterator[Choice]:
    if column == Column.REG:
        yield from register_choices(registers, text)
    for word in Kind if column == Column.KIND else Status if column == Column.STATUS else ():
        if word.name.lower().startswith(text):
            yield Choice(word.name.lower(), len(text), str(column))
