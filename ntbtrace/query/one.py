# SPDX-License-Identifier: GPL-2.0-or-later
"""Evaluation on one event: a node becomes a function, so that a breakpoint costs a few calls."""

import operator
from collections.abc import Callable
from typing import Protocol

from ntbtrace.event import ACCESSES, NO_BAR, NO_ENDPOINT, WITH_BAR, WITH_STATUS, Event, function_of, port_of
from ntbtrace.query.nodes import (
    MASK,
    Binary,
    Column,
    Compare,
    FieldOf,
    Held,
    InCode,
    IsRegister,
    Logic,
    Moved,
    Name,
    Node,
    Not,
    Number,
    OfCode,
    Unary,
)  # fmt: skip

Value = Callable[[Event], int | None]

WORD_BITS = 64

TARGET_ID = 0xFF_FFFF


def _shifted(left: int, right: int) -> int:
    return left << right & MASK if right < WORD_BITS else 0


OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": _shifted, ">>": operator.rshift,
}  # fmt: skip
DIVISIONS = ("//", "%")
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

COLUMNS: dict[Column, Value] = {
    Column.SEQ: lambda event: event.seq,
    Column.T: lambda event: event.t,
    Column.PORT: lambda event: port_of(event.endpoint) if event.endpoint != NO_ENDPOINT else None,
    Column.FUNCTION: lambda event: function_of(event.endpoint) if event.endpoint != NO_ENDPOINT else None,
    Column.KIND: lambda event: event.kind,
    Column.BAR: lambda event: event.bar if event.kind in WITH_BAR and event.bar != NO_BAR else None,
    Column.OFFSET: lambda event: event.offset,
    Column.SIZE: lambda event: event.size,
    Column.VALUE: lambda event: event.value if event.data is None else None,
    Column.REG: lambda event: event.target & TARGET_ID if event.target else None,
    Column.OWNER: lambda event: event.target >> 24 if event.target else None,
    Column.STATUS: lambda event: event.status if event.kind in WITH_STATUS else None,
    Column.CAUSE: lambda event: event.cause,
}


class Moment(Protocol):
    """The device around the event that is tested."""

    def moved(self, after: bool) -> tuple[int, int] | None:
        """Id and value, before or `after` the event, of the register that the breakpoint is about."""

    def held(self, owner: int | None, number: int) -> int | None:
        """What the register with id `number` holds after the event; `owner` None: that of the event's port, or of the
        switch."""


def compile_node(node: Node, moment: Moment | None = None) -> Value:
    """A function that gives the node's value for an event, None for nothing. Where the device is asked, `moment` is
    what it is like around the event that the function is called with.
    """

    def inside(one: Node) -> Value:
        return compile_node(one, moment)

    match node:
        case Number(value):
            return lambda event: value
        case Name(column):
            return COLUMNS[column]
        case IsRegister(ids):
            return lambda event: int(event.target & TARGET_ID in ids)
        case FieldOf(_, places):
            return _field({number: (lsb, width) for number, lsb, width in places})
        case OfCode(column, source):
            return lambda event: source.value(column, source.number(event.seq))
        case InCode(test, source):
            return lambda event: int(test(source.number(event.seq)))
        case Moved(after, places) if moment is not None:
            return _moved(moment, after, places)
        case Held(owner, number, lsb, width) if moment is not None:
            return _held(moment, owner, number, lsb, width)
        case Unary(op, operand):
            return _unary(op, inside(operand))
        case Binary(op, left, right):
            return _binary(op, inside(left), inside(right))
        case Compare(op, left, right):
            return _compare(COMPARISONS[op], inside(left), inside(right))
        case Not(operand):
            inner = inside(operand)
            return lambda event: int(not inner(event))
        case Logic(op, operands):
            parts = [inside(one) for one in operands]
            if op == "and":
                return lambda event: int(all(part(event) for part in parts))
            return lambda event: int(any(part(event) for part in parts))
    raise TypeError(f"{type(node).__name__} is not a node of an expression on events alone")


def _moved(moment: Moment, after: bool, places: tuple[tuple[int, int, int], ...] | None) -> Value:
    fields = None if places is None else {number: (lsb, width) for number, lsb, width in places}

    def get(event: Event) -> int | None:
        found = moment.moved(after)
        if found is None or fields is None:
            return None if found is None else found[1]
        number, value = found
        place = fields.get(number)
        return None if place is None else value >> place[0] & ((1 << place[1]) - 1)

    return get


def _held(moment: Moment, owner: int | None, number: int, lsb: int, width: int) -> Value:
    def get(event: Event) -> int | None:
        value = moment.held(owner, number)
        return None if value is None else value >> lsb & ((1 << width) - 1)

    return get


def _field(places: dict[int, tuple[int, int]]) -> Value:
    """The field of the event's register, if the access covers it."""

    def get(event: Event) -> int | None:
        place = places.get(event.target & TARGET_ID)
        if place is None or event.kind not in ACCESSES:
            return None
        lsb, width = place
        first = 8 * (event.offset % 4)
        if lsb < first or lsb + width > first + 8 * event.size:
            return None
        return event.value >> (lsb - first) & ((1 << width) - 1)

    return get


def _unary(op: str, operand: Value) -> Value:
    def get(event: Event) -> int | None:
        value = operand(event)
        if value is None:
            return None
        return (-value if op == "-" else ~value) & MASK

    return get


def _binary(op: str, left: Value, right: Value) -> Value:
    apply, divides = OPERATORS[op], op in DIVISIONS

    def get(event: Event) -> int | None:
        a, b = left(event), right(event)
        if a is None or b is None or (divides and not b):
            return None
        return apply(a, b) & MASK

    return get


def _compare(apply: Callable[[int, int], bool], left: Value, right: Value) -> Value:
    def get(event: Event) -> int:
        a, b = left(event), right(event)
        return int(a is not None and b is not None and apply(a, b))

    return get
