# SPDX-License-Identifier: GPL-2.0-or-later
"""Evaluation on the columns of a block: the same expressions, for all of its events at once."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ntbtrace.event import ACCESSES, NO_BAR, NO_ENDPOINT, WITH_BAR, WITH_STATUS
from ntbtrace.query.expression import Expression
from ntbtrace.query.nodes import (
    Binary,
    CodeSource,
    Column,
    Compare,
    FieldOf,
    InCode,
    IsRegister,
    Logic,
    Name,
    Node,
    Not,
    Number,
    OfCode,
    Unary,
)  # fmt: skip
from ntbtrace.query.one import DIVISIONS, TARGET_ID, WORD_BITS

Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]


class Columns(Protocol):
    """A block of a trace: trace.block.Block."""

    def column(self, name: str) -> NDArray[Any]: ...
    @property
    def with_data(self) -> Mask: ...


class Result(NamedTuple):
    """A node's values, uint64, and where they are there at all (None: everywhere). Either may be of one element."""

    values: Words
    there: Mask | None


def select(expression: Expression, block: Columns) -> NDArray[np.intp]:
    """The rows of the block for which the expression is true, from 0, ascending."""
    return np.flatnonzero(matches(expression, block))


def matches(expression: Expression, block: Columns) -> Mask:
    """For each row of the block, whether the expression is true."""
    with np.errstate(over="ignore"):
        return np.broadcast_to(_truth(_evaluate(expression.root, block)), block.column("kind").shape)


def values(expression: Expression, block: Columns) -> tuple[Words, Mask]:
    """For each row, the expression's value, and whether it has one."""
    shape = block.column("kind").shape
    with np.errstate(over="ignore"):
        found, there = _evaluate(expression.root, block)
    whole = np.ones(1, bool) if there is None else there
    return np.broadcast_to(found, shape), np.broadcast_to(whole, shape)


def _truth(result: Result) -> Mask:
    true: Mask = result.values != 0
    return true if result.there is None else true & result.there


def _of(mask: Mask) -> Result:
    return Result(mask.astype(np.uint64), None)


def _both(a: Result, b: Result) -> Mask | None:
    if a.there is None or b.there is None:
        return b.there if a.there is None else a.there
    return a.there & b.there


def _evaluate(node: Node, block: Columns) -> Result:
    match node:
        case Number(value):
            return Result(np.array([value], np.uint64), None)
        case Name(column):
            return _COLUMNS[column](block)
        case IsRegister(ids):
            return _of(np.isin(_ids(block), list(ids)))
        case FieldOf(_, places):
            return _field(block, places)
        case OfCode(column, source):
            return _by_chain(block, source, lambda number: source.value(column, number))
        case InCode(test, source):
            return Result(_by_chain(block, source, lambda number: int(test(number))).values, None)
        case Unary(op, operand):
            inner = _evaluate(operand, block)
            return inner._replace(values=np.uint64(0) - inner.values if op == "-" else ~inner.values)
        case Binary(op, left, right):
            return _binary(op, _evaluate(left, block), _evaluate(right, block))
        case Compare(op, left, right):
            a, b = _evaluate(left, block), _evaluate(right, block)
            found, there = _COMPARISONS[op](a.values, b.values), _both(a, b)
            return _of(found if there is None else found & there)
        case Not(operand):
            return _of(~_truth(_evaluate(operand, block)))
        case Logic(op, operands):
            return _of(_logic(op == "and", operands, block))
    raise TypeError(f"{type(node).__name__} is not a node of an expression")


def _logic(both: bool, operands: tuple[Node, ...], block: Columns) -> Mask:
    """Later operands are left alone, and their columns not decoded, once they cannot change the answer."""
    truth = _truth(_evaluate(operands[0], block))
    for one in operands[1:]:
        if not truth.any() if both else truth.all():
            break
        other = _truth(_evaluate(one, block))
        truth = truth & other if both else truth | other
    return truth


def _by_chain(block: Columns, source: CodeSource, value: Callable[[int], int | None]) -> Result:
    """What `value` gives for the number of each row's chain."""
    numbers, which = np.unique(source.numbers_of(int(block.column("seq")[0])), return_inverse=True)
    found = [value(number) for number in numbers.tolist()]
    there = np.array([one is not None for one in found])[which]
    return Result(np.array([one or 0 for one in found], np.uint64)[which], there)


def _words(block: Columns, name: str) -> Words:
    found: Words = block.column(name).astype(np.uint64)
    return found


def _ids(block: Columns) -> NDArray[Any]:
    return block.column("target") & TARGET_ID


def _in_kinds(block: Columns, kinds: frozenset[int]) -> Mask:
    table = np.zeros(256, bool)
    table[list(kinds)] = True
    found: Mask = table[block.column("kind")]
    return found


def _plain(name: str) -> Callable[[Columns], Result]:
    return lambda block: Result(_words(block, name), None)


def _cause(block: Columns) -> Result:
    causes = block.column("cause")
    return Result(causes.astype(np.uint64), causes >= 0)


def _bar(block: Columns) -> Result:
    bars = block.column("bar")
    return Result(bars.astype(np.uint64), _in_kinds(block, WITH_BAR) & (bars != NO_BAR))


def _value(block: Columns) -> Result:
    return Result(_words(block, "value"), ~block.with_data)


_COLUMNS: dict[Column, Callable[[Columns], Result]] = {
    Column.SEQ: _plain("seq"),
    Column.T: _plain("t"),
    Column.PORT: lambda b: Result(_words(b, "endpoint") >> np.uint64(3), b.column("endpoint") != NO_ENDPOINT),
    Column.FUNCTION: lambda b: Result(_words(b, "endpoint") & np.uint64(7), b.column("endpoint") != NO_ENDPOINT),
    Column.KIND: _plain("kind"),
    Column.BAR: _bar,
    Column.OFFSET: _plain("offset"),
    Column.SIZE: _plain("size"),
    Column.VALUE: _value,
    Column.REG: lambda b: Result(_ids(b).astype(np.uint64), b.column("target") != 0),
    Column.OWNER: lambda b: Result(_words(b, "target") >> np.uint64(24), b.column("target") != 0),
    Column.STATUS: lambda b: Result(_words(b, "status"), _in_kinds(b, WITH_STATUS)),
    Column.CAUSE: _cause,
}

_COMPARISONS: dict[str, Callable[[Words, Words], Mask]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_OPERATORS: dict[str, Callable[[Words, Words], Words]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "//": np.floor_divide, "%": np.remainder,
    "&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor, "<<": np.left_shift, ">>": np.right_shift,
}  # fmt: skip
_SHIFTS = ("<<", ">>")


def _binary(op: str, a: Result, b: Result) -> Result:
    there, right = _both(a, b), b.values
    if op in DIVISIONS:
        divides = right != 0
        there = divides if there is None else there & divides
        right = np.where(divides, right, np.uint64(1))
    if op in _SHIFTS:
        inside = right < WORD_BITS
        shifted = _OPERATORS[op](a.values, np.where(inside, right, np.uint64(0)))
        return Result(np.where(inside, shifted, np.uint64(0)), there)
    return Result(_OPERATORS[op](a.values, right), there)


def _field(block: Columns, places: tuple[tuple[int, int, int], ...]) -> Result:
    ids = _ids(block)
    found = np.zeros(ids.shape, np.uint64)
    there = np.zeros(ids.shape, bool)
    rows = np.flatnonzero(np.isin(ids, [number for number, _, _ in places]) & _in_kinds(block, ACCESSES))
    if not len(rows):
        return Result(found, there)
    numbers = ids[rows]
    order = {number: i for i, (number, _, _) in enumerate(places)}
    which = np.array([order[number] for number in numbers.tolist()])
    lsb = np.array([place[1] for place in places], np.int64)[which]
    width = np.array([place[2] for place in places], np.int64)[which]
    first = 8 * (block.column("offset")[rows] % np.uint64(4)).astype(np.int64)
    last = first + 8 * block.column("size")[rows].astype(np.int64)
    inside = (lsb >= first) & (lsb + width <= last)
    rows, shift, width = rows[inside], (lsb - first)[inside], width[inside]
    ones = (np.uint64(1) << width.astype(np.uint64)) - np.uint64(1)
    found[rows] = block.column("value")[rows] >> shift.astype(np.uint64) & ones
    there[rows] = True
    return Result(found, there)
