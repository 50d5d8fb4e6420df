# SPDX-License-Identifier: GPL-2.0-or-later
"""What an expression is made of, after its names have been resolved.

Every node has a value for an event, an integer modulo 2^64, or none at all: an event without a cause has no `cause`.
What is computed from nothing is nothing, a comparison with nothing is false.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

MODULO = 1 << 64
MASK = MODULO - 1


class Column(StrEnum):
    """The names of an event's columns in expressions."""

    SEQ = "seq"
    T = "t"
    PORT = "port"
    FUNCTION = "function"
    KIND = "kind"
    BAR = "bar"
    OFFSET = "offset"
    SIZE = "size"
    VALUE = "value"
    REG = "reg"
    OWNER = "owner"
    STATUS = "status"
    CAUSE = "cause"
    FUNC = "func"
    FILE = "file"
    LINE = "line"


CODE = (Column.FUNC, Column.FILE, Column.LINE)  # about the guest's code, where a trace has it

COLUMN_DOCS = {
    Column.SEQ: "the event's number",
    Column.T: "its time in ns since the recording began; s(1.5), ms(2), us(3) are times",
    Column.PORT: "the port whose guest it is about",
    Column.FUNCTION: "0 the NT function, 1 the DMA engine",
    Column.KIND: "mmio_write, irq, mem_read ...",
    Column.BAR: "of an access",
    Column.OFFSET: "in the BAR or in configuration space; of a memory event the guest's address",
    Column.SIZE: "bytes",
    Column.VALUE: "what was read or written (up to 8 bytes); value.FIELD is a field of the event's register",
    Column.REG: "the register that is meant, by whatever way it was reached",
    Column.OWNER: "the port whose register that is, 255 for one of the switch",
    Column.STATUS: "ok, unknown, closed, limit, refused, disabled",
    Column.CAUSE: "the number of the event that caused it",
    Column.FUNC: 'the guest\'s function that made the access, or one that called it: func == "idt_init_link"',
    Column.FILE: 'the source file of one of them: file == "ntb_hw_idt.c"',
    Column.LINE: 'the line of one of them: line == 774, or line == "ntb_hw_idt.c:774"',
}


class CodeSource(Protocol):
    """The guests' code: symbols.code.Code. Each access has the number of its chain of functions; -1: none."""

    def number(self, seq: int) -> int: ...
    def numbers_of(self, first_seq: int) -> Any:
        """An array: of each row of the block that begins so."""

    def check(self, column: str, word: str) -> None: ...
    def tester(self, column: str, op: str, operand: str | int) -> Callable[[int], bool]: ...
    def value(self, column: str, number: int) -> int | None: ...
    def word(self, column: str, value: int) -> str: ...


class Number(NamedTuple):
    value: int


class Name(NamedTuple):
    """A column."""

    column: Column


class FieldOf(NamedTuple):
    """value.FIELD. `places`: by register id, the field's lowest bit and its width."""

    name: str
    places: tuple[tuple[int, int, int], ...]


class IsRegister(NamedTuple):
    """The event's register is one of `ids` (of any owner)."""

    ids: frozenset[int]


class OfCode(NamedTuple):
    """func, file or line as a value: of the innermost function of a module, by the number of the chain."""

    column: Column
    source: CodeSource


class InCode(NamedTuple):
    """Some function of the access's chain passes `test`, which is given the number of the chain."""

    test: Callable[[int], bool]
    source: CodeSource


class Moved(NamedTuple):
    """old or new (`after`): what the register that a breakpoint is about held before the event, holds after it; or its
    field, by register id its lowest bit and width. Only known where there is a device (query.state.Moment).
    """

    after: bool
    places: tuple[tuple[int, int, int], ...] | None = None


class Held(NamedTuple):
    """$REG, $2:REG.FIELD: what bits `lsb` to `lsb + width - 1` of a register hold after the event. `owner` None: the
    register of the event's port, or of the switch. Only known where there is a device.
    """

    owner: int | None
    id: int
    lsb: int
    width: int


class Unary(NamedTuple):
    """`op`: '-' or '~'."""

    op: str
    operand: "Node"


class Binary(NamedTuple):
    """`op`: + - * // % & | ^ << >>"""

    op: str
    left: "Node"
    right: "Node"


class Compare(NamedTuple):
    """`op`: == != < <= > >=; 1 or 0, and 0 where a side is nothing."""

    op: str
    left: "Node"
    right: "Node"


class Not(NamedTuple):
    operand: "Node"


class Logic(NamedTuple):
    """`op`: 'and' or 'or', of two or more."""

    op: str
    operands: "tuple[Node, ...]"


Node = Number | Name | FieldOf | IsRegister | OfCode | InCode | Moved | Held | Unary | Binary | Compare | Not | Logic


def children(node: Node) -> "tuple[Node, ...]":
    """The nodes that a node is made of."""
    match node:
        case Unary(_, operand) | Not(operand):
            return (operand,)
        case Binary(_, left, right) | Compare(_, left, right):
            return left, right
        case Logic(_, operands):
            return operands
    return ()
