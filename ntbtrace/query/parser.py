# SPDX-License-Identifier: GPL-2.0-or-later
"""From text to nodes: Python's own grammar, a whitelist of it, and names resolved from the trace's register table."""

import ast
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import NoReturn, Protocol

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Kind, Status
from ntbtrace.query.nodes import (
    CODE,
    MASK,
    Binary,
    CodeSource,
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
from ntbtrace.query.times import UNITS

MAX_TEXT = 10_000
MAX_DEPTH = 100
REGISTER_BITS = 32

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS: dict[Column, dict[str, int]] = {  # what a column's values are called
    Column.KIND: {kind.name.lower(): int(kind) for kind in Kind},
    Column.STATUS: {status.name.lower(): int(status) for status in Status},
}


# $NTCTL, 2:NTCTL and $2:NTCTL become names that Python knows, of the same length: _NTCTL, _2NTCTL, __2NTCTL
_REGISTER = re.compile(r"(?<![\w.$])(\$?)(?:(\d{1,2}):)?(?=[A-Za-z_])")
_RENAMED = re.compile(r"(_?)_(\d*)([A-Za-z]\w*)")
_MOVED = {"old": False, "new": True}


class Asking(Enum):
    """What an expression may ask the device."""

    NOTHING = 0
    MARKED = 1  # $NTCTL: what a register holds; old and new: what the register of the event held and holds
    BARE = 2  # that without the $ as well


class FieldPlace(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def lsb(self) -> int: ...
    @property
    def width(self) -> int: ...


class Names(Protocol):
    """The registers of a trace: trace.registers.RegisterTable."""

    def names(self) -> Iterable[str]: ...
    def find(self, name: str) -> list[int]: ...
    def fields(self, target: int) -> Sequence[FieldPlace]: ...
    def ids(self) -> Iterable[int]: ...
    @property
    def code(self) -> CodeSource | None: ...


class Parser:
    def __init__(self, text: str, names: Names, asking: Asking = Asking.NOTHING) -> None:
        self._text = text
        self._names = names
        self._asking = asking
        self._columns = {str(one): one for one in Column}
        self._registers = {name.upper() for name in names.names()}

    def parse(self) -> Node:
        if len(self._text) > MAX_TEXT:
            raise NtbTraceError(f"an expression must have at most {MAX_TEXT} characters, not {len(self._text)}")
        try:
            with warnings.catch_warnings(action="ignore"):  # of doubtful Python, on the way to our own words
                tree = ast.parse(_REGISTER.sub(_rename, self._text.strip()), mode="eval")
        except SyntaxError as error:
            at = f" at column {error.offset}" if error.offset else ""
            raise NtbTraceError(f"{self._short()}: {error.msg}{at}") from error
        except (ValueError, MemoryError, RecursionError) as error:
            raise NtbTraceError(f"{self._short()}: this is no expression: {error}") from error
        return self._node(tree.body, 0)

    def _short(self) -> str:
        return repr(self._text if len(self._text) <= 80 else self._text[:77] + "...")

    def _fail(self, node: ast.AST, what: str) -> NoReturn:
        at = getattr(node, "col_offset", 0) + 1
        raise NtbTraceError(f"{self._short()}: {what} (at column {at})")

    def _node(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._fail(node, f"it is nested more than {MAX_DEPTH} deep")
        match node:
            case ast.BoolOp(op=op, values=values):
                operands = tuple(self._node(one, depth + 1) for one in values)
                return Logic("and" if isinstance(op, ast.And) else "or", operands)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self._node(operand, depth + 1))
            case ast.UnaryOp(op=ast.USub() | ast.Invert() as op, operand=operand):
                return Unary("-" if isinstance(op, ast.USub) else "~", self._node(operand, depth + 1))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return Binary(_BINARY[type(op)], self._node(left, depth + 1), self._node(right, depth + 1))
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Constant(value=bool(truth)):
                return Number(int(truth))
            case ast.Constant(value=int(number)):
                return Number(number & MASK)
            case ast.Constant(value=float()):
                self._fail(node, "numbers must be whole; a time is s(1.5), ms(2) or us(3)")
            case ast.Call():
                return self._time(node)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.Attribute(value=ast.Name(id=base), attr=field):
                return self._field(node, base, field)
        self._fail(node, f"an expression cannot have {_kind_of(node)}: names, numbers, comparisons, and, or, not")

    # Names

    def _name(self, node: ast.AST, name: str) -> Node:
        column = self._columns.get(name)
        if column in CODE:
            return OfCode(column, self._code(node, name))
        if column is not None:
            return Name(column)
        if name in _MOVED and self._asking != Asking.NOTHING:
            return Moved(_MOVED[name])
        if _RENAMED.fullmatch(name) or (self._asking == Asking.BARE and name.upper() in self._registers):
            return self._held(node, name, None)
        if name.upper() in self._registers:
            held = f"; what it holds is ${name.upper()}" if self._asking == Asking.MARKED else ""
            self._fail(node, f"the register {name.upper()} is compared with reg: reg == {name.upper()}{held}")
        for column, words in _WORDS.items():
            if name in words:
                self._fail(node, f"{name} is compared with {column}: {column} == {name}")
        self._unknown(node, name)

    def _code(self, node: ast.AST, name: str) -> CodeSource:
        if self._names.code is None:
            self._fail(node, f"{name} is about the guests' code, and this trace has none: record with --guest-pc")
        return self._names.code

    def _unknown(self, node: ast.AST, name: str) -> NoReturn:
        known = [*self._columns, *(word for words in _WORDS.values() for word in words)]
        near = get_close_matches(name.lower(), known, n=2) + get_close_matches(name.upper(), self._registers, n=3)
        columns = ", ".join(self._columns)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {columns}, and the registers"
        self._fail(node, f"there is no {name} here: {hint}")

    def _held(self, node: ast.AST, name: str, field: str | None) -> Node:
        """What a register holds: `name` as in the text that was parsed."""
        match = _RENAMED.fullmatch(name)
        mark, port, register = match.groups() if match else ("", "", name)
        marked = match is not None and (mark or not port)
        if self._asking == Asking.NOTHING or (self._asking == Asking.MARKED and not marked):
            where = "only the debugger knows" if self._asking == Asking.NOTHING else "write a $ before it for"
            self._fail(node, f"{where} what the register {register.upper()} holds")
        if register.upper() not in self._registers:
            self._unknown_word(node, register, self._registers, "register")
        ids = self._names.find(register)
        if len(ids) != 1:
            self._fail(node, f"{register.upper()} is {len(ids)} registers: say which, such as {self._one_of(ids)}")
        lsb, width = 0, REGISTER_BITS
        if field is not None:
            ((_, lsb, width),) = self._places(node, ids, f"the register {register.upper()}", field)
        return Held(int(port) if port else None, ids[0], lsb, width)

    def _one_of(self, ids: Iterable[int]) -> str:
        wanted = next(iter(ids))
        return next(name for name in self._registers if self._names.find(name) == [wanted])

    def _field(self, node: ast.AST, base: str, name: str) -> Node:
        upper = name.upper()
        if _RENAMED.fullmatch(base) or (self._asking == Asking.BARE and base.upper() in self._registers):
            return self._held(node, base, upper)
        ids: Iterable[int]
        moved = base in _MOVED and self._asking != Asking.NOTHING
        if base == Column.VALUE or moved:
            ids, where = self._names.ids(), "no register"
        elif base in self._columns:
            self._fail(node, f"{base} has no fields: write value.{name}")
        elif base.upper() in self._registers:
            ids, where = self._names.find(base), f"the register {base.upper()}"
        else:
            self._unknown(node, base)
        places = self._places(node, ids, where, name)
        return Moved(_MOVED[base], places) if moved else FieldOf(upper, places)

    def _places(self, node: ast.AST, ids: Iterable[int], where: str, name: str) -> tuple[tuple[int, int, int], ...]:
        """Where the field `name` stands in those of the registers that have it."""
        upper = name.upper()
        fields = {number: self._names.fields(number) for number in ids}
        places = [(number, f.lsb, f.width) for number, row in fields.items() for f in row if f.name.upper() == upper]
        if not places:
            known = {f.name for row in fields.values() for f in row}
            near = get_close_matches(upper, known, n=3)
            listed = ", ".join(sorted(known)) if where != "no register" else "see `ntbtrace registers`"
            hint = f"did you mean {' or '.join(near)}?" if near else listed
            has = "has" if where == "no register" else "does not have"
            self._fail(node, f"{where} {has} a field {name}: {hint}")
        return tuple(places)

    def _time(self, node: ast.Call) -> Node:
        match node:
            case ast.Call(func=ast.Name(id=unit), args=[ast.Constant(value=int() | float() as number)], keywords=[]):
                if unit in UNITS and not isinstance(number, bool) and 0 <= number < MASK / UNITS[unit]:
                    return Number(round(number * UNITS[unit]))
        self._fail(node, "the only calls are times: s(1.5), ms(2), us(3), ns(4)")

    # Comparisons: what is on one side says what the names on the other mean

    def _comparison(self, node: ast.Compare, depth: int) -> Node:
        sides = [node.left, *node.comparators]
        parts = [
            self._compare(node, left, op, right, depth)
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _compare(self, node: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                self._fail(right, "what stands behind in must be a list: port in (0, 2)")
            any_of = tuple(self._compare(node, left, ast.Eq(), one, depth) for one in right.elts)
            found = any_of[0] if len(any_of) == 1 else Logic("or", any_of)
            if isinstance(op, ast.In):
                return found
            there = self._node(left, depth + 1)
            return Logic("and", (Compare("==", there, there), Not(found)))
        symbol = _COMPARE.get(type(op))
        if symbol is None:
            self._fail(node, "is cannot be used: write ==")
        for column, other, mirrored in ((left, right, symbol), (right, left, _MIRRORED[symbol])):
            name = self._columns.get(column.id) if isinstance(column, ast.Name) else None
            if name in CODE and (known := self._of_code(name, mirrored, other)) is not None:
                return known
            if name is not None and isinstance(other, ast.Name) and not self._is_value(other.id):
                return self._word(other, name, mirrored, other.id)
        return Compare(symbol, self._node(left, depth + 1), self._node(right, depth + 1))

    def _is_value(self, name: str) -> bool:
        """A column, or something that the device is asked."""
        asked = self._asking != Asking.NOTHING and name in _MOVED
        return name in self._columns or asked or bool(_RENAMED.fullmatch(name))

    def _of_code(self, column: Column, symbol: str, other: ast.expr) -> Node | None:
        """func, file or line compared with a name or a number; None for anything else."""
        operand: str | int
        match other:
            case ast.Constant(value=str(text)):
                operand = text
            case ast.Name(id=name) if column == Column.FUNC and name not in self._columns:
                operand = name
            case ast.Constant(value=int(number)) if column == Column.LINE and not isinstance(number, bool):
                operand = number
            case _:
                return None
        source = self._code(other, column)
        if isinstance(operand, str):
            if symbol not in ("==", "!="):
                self._fail(other, f"names are equal or not: {column} == {operand!r}")
            try:
                source.check(column, operand)
            except NtbTraceError as error:
                self._fail(other, str(error))
        there = OfCode(column, source)
        if symbol != "!=":
            return InCode(source.tester(column, symbol, operand), source)
        found = InCode(source.tester(column, "==", operand), source)
        return Logic("and", (Compare("==", there, there), Not(found)))

    def _word(self, node: ast.AST, column: Column, symbol: str, word: str) -> Node:
        """`column` compared with a name of one of its values."""
        if column == Column.REG:
            if word.upper() not in self._registers:
                self._unknown_word(node, word, self._registers, "register")
            if symbol not in ("==", "!="):
                self._fail(node, f"registers are equal or not: reg == {word}")
            found = IsRegister(frozenset(self._names.find(word)))
            there = Compare("!=", Name(Column.REG), Number(0))
            return found if symbol == "==" else Logic("and", (there, Not(found)))
        words = _WORDS.get(column)
        if words is None or word in self._registers:
            return Compare(symbol, Name(column), self._name(node, word))
        if word not in words:
            self._unknown_word(node, word, words, str(column))
        return Compare(symbol, Name(column), Number(words[word]))

    def _unknown_word(self, node: ast.AST, word: str, known: Iterable[str], what: str) -> NoReturn:
        known = sorted(known)
        near = get_close_matches(word, known, n=3) or get_close_matches(word.upper(), known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:20])} ..."
        self._fail(node, f"there is no {what} {word}: {hint}")


def _rename(match: re.Match[str]) -> str:
    mark, port = match.groups()
    return ("_" if mark else "") + (f"_{port}" if port else "")


_KINDS_OF_NODES: Mapping[str, str] = {
    "Subscript": "[...]", "Lambda": "a lambda", "IfExp": "if ... else", "JoinedStr": "text", "Constant": "text",
    "Attribute": "a name with two dots", "BinOp": "/, ** or @", "Tuple": "a list here",
    "List": "a list here",
}  # fmt: skip


def _kind_of(node: ast.AST) -> str:
    return _KINDS_OF_NODES.get(type(node).__name__, "this")
