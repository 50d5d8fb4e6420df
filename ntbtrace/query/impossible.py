# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an expression can never be true, for whoever wrote one that waits for ever."""

from collections.abc import Iterator

from ntbtrace.event import ACCESSES, STIMULI, Kind
from ntbtrace.query.nodes import Column, Compare, FieldOf, IsRegister, Logic, Name, Node, Number
from ntbtrace.query.one import COMPARISONS
from ntbtrace.query.state import asks


def never(node: Node) -> str | None:
    """The reason, in words; None if it may be true, as far as can be told without any trace."""
    match node:
        case Number(0):
            return "it is 0"
        case Logic("and", operands):
            return next((reason for one in operands if (reason := never(one))), None) or _together(node)
        case Logic(_, operands):
            reasons = [never(one) for one in operands]
            return reasons[0] if all(reasons) else None
        case Compare(op, left, right):
            return _compare(op, left, right)
    return None


def _compare(op: str, left: Node, right: Node) -> str | None:
    if isinstance(left, Number) and isinstance(right, Number):
        return None if COMPARISONS[op](left.value, right.value) else f"{left.value} {op} {right.value} is false"
    if (op, right) == ("<", Number(0)) or (op, left) == (">", Number(0)):
        return "nothing is below 0"
    for field, number, above in ((left, right, (">", ">=")), (right, left, ("<", "<="))):
        if isinstance(field, FieldOf) and isinstance(number, Number):
            width = max(width for _, _, width in field.places)
            most = (1 << width) - 1
            if number.value > most - (op in (">", "<") and op == above[0]) and op in ("==", *above):
                return f"{field.name} has {width} bit{'s' if width > 1 else ''}, at most {most:#x}"
    return None


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, Logic) and node.op == "and":
        for one in node.operands:
            yield from _conjuncts(one)
    elif not asks(node):
        yield node


def _together(node: Node) -> str | None:
    """Why the operands of an `and` exclude one another."""
    allowed: dict[Column, set[int]] = {}
    registers: frozenset[int] | None = None
    needs_access = False
    for one in _conjuncts(node):
        if isinstance(one, IsRegister):
            if registers is not None and not registers & one.ids:
                return "an event is about one register, not about two"
            registers = one.ids if registers is None else registers & one.ids
            continue
        if isinstance(one, Compare) and (isinstance(one.left, FieldOf) or isinstance(one.right, FieldOf)):
            needs_access = True
            field = one.left if isinstance(one.left, FieldOf) else one.right
            assert isinstance(field, FieldOf)
            ids = frozenset(number for number, _, _ in field.places)
            if registers is not None and not registers & ids:
                return f"that register does not have a field {field.name}"
        found = _equalities(one)
        if found is None:
            continue
        column, values = found
        before = allowed.get(column)
        if before is not None and not before & values:
            return f"{column} cannot be {_say(column, min(before))} and {_say(column, min(values))} at once"
        allowed[column] = values if before is None else before & values
    possible = allowed.get(Column.KIND)
    if possible is not None:
        kind = _say(Column.KIND, min(possible))
        if needs_access and not possible & ACCESSES:
            return f"only an access has a field, and {kind} is none"
        if registers is not None and not possible & STIMULI:
            return f"{kind} is about no register"
    return None


def _say(column: Column, value: int) -> str:
    return Kind(value).name.lower() if column == Column.KIND and value in Kind._value2member_map_ else str(value)


def _equalities(node: Node) -> tuple[Column, set[int]] | None:
    """The column that must have one of these values, if that is what the node says."""
    match node:
        case Compare("==", Name(column), Number(value)) | Compare("==", Number(value), Name(column)):
            return column, {value}
        case Logic("or", operands):
            parts = [_equalities(one) for one in operands]
            columns = {part[0] for part in parts if part is not None}
            if None not in parts and len(columns) == 1:
                return columns.pop(), {value for part in parts if part is not None for value in part[1]}
    return None
