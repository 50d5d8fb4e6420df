# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known about an expression's value from a block's summary alone, so that a search can pass the block by.

A node is given as an interval of the values that it can have; what is not known is every value, or nothing at all.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from ntbtrace.event import function_of, port_of
from ntbtrace.query.nodes import MASK, Column, Compare, FieldOf, IsRegister, Logic, Name, Node, Not, Number
from ntbtrace.query.one import COMPARISONS, TARGET_ID


class Contents(Protocol):
    """What is inside a block: trace.summary.BlockInfo."""

    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def first_t(self) -> int: ...
    @property
    def last_t(self) -> int: ...
    @property
    def kinds(self) -> Collection[int]: ...
    @property
    def endpoints(self) -> Collection[int]: ...
    @property
    def targets(self) -> Collection[int]: ...


class Verdict(NamedTuple):
    """Whether the expression can be true for an event of the block, and whether it can be false."""

    may_be_true: bool
    may_be_false: bool


ANY = Verdict(True, True)


def verdict(node: Node, contents: Contents) -> Verdict:
    match node:
        case Number(value):
            return Verdict(value != 0, value == 0)
        case IsRegister(ids):
            return Verdict(any(target & TARGET_ID in ids for target in contents.targets), True)
        case FieldOf(_, places):
            ids = frozenset(number for number, _, _ in places)
            return Verdict(any(target & TARGET_ID in ids for target in contents.targets), True)
        case Not(operand):
            inner = verdict(operand, contents)
            return Verdict(inner.may_be_false, inner.may_be_true)
        case Logic("and", operands):
            parts = [verdict(one, contents) for one in operands]
            return Verdict(all(part.may_be_true for part in parts), any(part.may_be_false for part in parts))
        case Logic(_, operands):
            parts = [verdict(one, contents) for one in operands]
            return Verdict(any(part.may_be_true for part in parts), all(part.may_be_false for part in parts))
        case Compare(op, left, right):
            return _compare(op, left, right, contents)
    return ANY


def _compare(op: str, left: Node, right: Node, contents: Contents) -> Verdict:
    if isinstance(left, FieldOf) or isinstance(right, FieldOf):
        field = left if isinstance(left, FieldOf) else right
        return verdict(field, contents)
    a, b = _values(left, contents), _values(right, contents)
    if a is None or b is None:
        return ANY
    compare = COMPARISONS[op]
    if isinstance(a, range) or isinstance(b, range):
        return Verdict(_ranges_can(op, a, b), True)
    return Verdict(any(compare(x, y) for x in a for y in b), True)


def _ranges_can(op: str, a: Collection[int], b: Collection[int]) -> bool:
    """Whether some x of a and y of b compare so; a range stands for all numbers from its first to its last."""
    if not a or not b:
        return False
    (low_a, high_a), (low_b, high_b) = _ends(a), _ends(b)
    match op:
        case "<":
            return low_a < high_b
        case "<=":
            return low_a <= high_b
        case ">":
            return high_a > low_b
        case ">=":
            return high_a >= low_b
        case "==":
            return low_a <= high_b and low_b <= high_a
    return True


def _ends(values: Collection[int]) -> tuple[int, int]:
    return (values[0], values[-1]) if isinstance(values, range) else (min(values), max(values))


def _values(node: Node, contents: Contents) -> Collection[int] | None:
    """All values that the node can have in the block (a range for many); None when that is not known."""
    match node:
        case Number(value):
            return (value,)
        case Name(Column.KIND):
            return contents.kinds
        case Name(Column.PORT):
            return {port_of(endpoint) for endpoint in contents.endpoints}
        case Name(Column.FUNCTION):
            return {function_of(endpoint) for endpoint in contents.endpoints}
        case Name(Column.REG):
            return {target & TARGET_ID for target in contents.targets}
        case Name(Column.OWNER):
            return {target >> 24 for target in contents.targets}
        case Name(Column.SEQ):
            return range(contents.first_seq, contents.last_seq + 1)
        case Name(Column.T):
            return range(contents.first_t, min(contents.last_t, MASK - 1) + 1)
    return None
