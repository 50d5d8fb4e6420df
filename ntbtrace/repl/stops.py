# SPDX-License-Identifier: GPL-2.0-or-later
"""The language of breakpoints: from `write OUTDBELLSET if value & 0x3` to what is searched for."""

import re
from collections.abc import Callable, Iterable
from functools import reduce
from typing import TYPE_CHECKING

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Kind
from ntbtrace.query import Expression, parse
from ntbtrace.query.impossible import never
from ntbtrace.query.nodes import Binary, Column, Compare, FieldOf, InCode, IsRegister, Logic, Name, Node, Number
from ntbtrace.repl.arguments import EXPRESSION, PORT, REGISTER, Named, begun, expression
from ntbtrace.repl.breakpoints import Change, Stop
from ntbtrace.repl.registry import Argument, Choice
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

ACCESSES = {
    "write": (Kind.MMIO_WRITE, Kind.CFG_WRITE),
    "read": (Kind.MMIO_READ, Kind.CFG_READ),
    "access": (Kind.MMIO_WRITE, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.CFG_READ),
}
MEMORY = {
    "write": (Kind.MEM_WRITE,),
    "read": (Kind.MEM_READ,),
    "access": (Kind.MEM_WRITE, Kind.MEM_READ),
}
FORMS = {
    "write": "a register is written: write REG[.FIELD]",
    "read": "a register is read: read REG[.FIELD]",
    "access": "a register is read or written: access REG[.FIELD]",
    "change": "what a register holds becomes another value: change REG[.FIELD]",
    "irq": "an interrupt",
    "message": "a message is sent, through register N (0 to 3) or any: message [N]",
    "window": "an access through a window: window [BARn]",
    "mem": "guest memory is written, read or both: mem [read|access] ADDRESS [len BYTES]",
    "at": "code of a guest makes an access (record --guest-pc): at FUNCTION|FILE:LINE",
    "if": "any event for which an expression holds: EXPR",
}
USAGE = (
    "write|read|access|change REG[.FIELD], irq, message [N], window [BARn], mem ADDRESS [len N], "
    "at FUNCTION|FILE:LINE, or an expression"
)
_IF = re.compile(r"(?:^|\s)if(?:\s|$)")
_AT_LINE = re.compile(r"at\s+(\S+:[0-9]+)(?:\s|$)")
_PORT = re.compile(r"(?:^|\s)port=(\S*)")


def kinds(which: Iterable[int]) -> Node:
    return any_of([Compare("==", Name(Column.KIND), Number(int(kind))) for kind in which])


def any_of(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Logic("or", tuple(nodes))


def all_of(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Logic("and", tuple(nodes))


class StopArgument(Argument):
    """[port=PORT] WHAT [if EXPR]"""

    metavar = "WHAT [if EXPR]"
    rest = True

    def __init__(self, watching: bool = False) -> None:
        """`watching`: a register alone means its changes."""
        self.watching = watching

    def parse(self, session: "Session", text: str) -> Stop:
        if self.watching and text.split()[:1] not in [[form] for form in FORMS]:
            text = f"change {text}"
        what, condition = split(text)
        nodes: list[Node] = []
        found = _PORT.search(what)
        if found:
            nodes.append(Compare("==", Name(Column.PORT), Number(PORT.parse(session, found[1]))))
            what = _PORT.sub("", what, count=1)
        words = what.split()
        changes: tuple[Change, ...] = ()
        if words and words[0] in _PARSERS:
            nodes += _PARSERS[words[0]](session, words)
            if words[0] == "change":
                changes = _changes(session, words)
        elif words and condition is not None:
            raise NtbTraceError(f"{plain(words[0][:40])!r} is nothing to wait for: {USAGE}")
        elif words:
            condition = what
        if condition is not None:
            nodes.append(expression(session, condition).root)
            if isinstance(nodes[-1], Number):
                one = f"`break seq == {nodes[-1].value}` stops at one"
                raise NtbTraceError(f"{plain(condition[:40])!r} is the same for every event: {one}")
        if not nodes and not changes:
            raise NtbTraceError(f"wait for what? {USAGE}")
        return Stop(text.strip(), possible(text.strip(), all_of(nodes)) if nodes else None, changes)

    def complete(self, session: "Session", text: str) -> Iterable[Choice]:
        if self.watching and " " not in text:
            return [*REGISTER.complete(session, text), *begun(text, {"mem": FORMS["mem"]})]
        match = _IF.search(text)
        if match and text[match.end() - 1 : match.end()].isspace():
            return EXPRESSION.complete(session, text[match.end() :])
        first, space, rest = text.partition(" ")
        if not space:
            return [*begun(text, FORMS), *EXPRESSION.complete(session, text)]
        last = rest.rpartition(" ")[2]
        if last.startswith("port="):
            return PORT.complete(session, last.removeprefix("port="))
        if first in (*ACCESSES, "change"):
            if " " in rest.strip() or (rest.strip() and not last):
                return begun(last, {"if": "a condition", "port=": "only accesses of that port"})
            return REGISTER.complete(session, last)
        if first == "at" and " " not in rest and session.code is not None:
            return begun(last, dict.fromkeys(sorted(session.code.words(Column.FUNC)), "a function"))
        if first in _PARSERS:
            return begun(last, _MORE.get(first, {}) | {"if": "a condition", "port=": "only of that port"})
        return EXPRESSION.complete(session, text)


def possible(text: str, root: Node) -> Expression:
    """The expression that was written so. Raises NtbTraceError, with the reason, for one that can never be true."""
    found = Expression(text, root)
    reason = never(found.without_device.root)
    if reason:
        raise NtbTraceError(f"{plain(text)!r} can never be true: {reason}")
    return found


def split(text: str) -> tuple[str, str | None]:
    """What stands before and behind the word `if`; None where there is none."""
    match = _IF.search(text)
    if match is None:
        return text, None
    condition = text[match.end() :].strip()
    if not condition:
        raise NtbTraceError("if what? A condition is an expression, such as: if value & 0x3 and port == 0")
    return text[: match.start()], condition


def _access(session: "Session", words: list[str]) -> list[Node]:
    if len(words) != 2:
        raise NtbTraceError(f"{words[0]} takes a register: {words[0]} {REGISTER.metavar}")
    named = REGISTER.parse(session, words[1])
    nodes = [kinds(ACCESSES[words[0]]), IsRegister(frozenset(named.ids))]
    if named.port is not None:
        nodes.append(Compare("==", Name(Column.OWNER), Number(named.port)))
    if named.field is not None:
        field = _field(session, named)
        nodes.append(Compare("==", field, field))  # the access covers it
    return nodes


def _field(session: "Session", named: Named) -> FieldOf:
    registers = session.registers
    places = [
        (number, f.lsb, f.width)
        for number in named.ids
        for f in registers.fields(number)
        if f.name.upper() == named.field
    ]
    return FieldOf(named.field or "", tuple(places))


def _change(session: "Session", words: list[str]) -> list[Node]:
    return []


def _changes(session: "Session", words: list[str]) -> tuple[Change, ...]:
    if len(words) != 2:
        raise NtbTraceError(f"change takes a register: change {REGISTER.metavar}")
    named = REGISTER.parse(session, words[1])
    targets = session.targets(named.port, named.ids)
    return tuple(Change(target, named.mask(session.registers, target)) for target in targets)


def _irq(session: "Session", words: list[str]) -> list[Node]:
    if len(words) > 1:
        raise NtbTraceError(f"irq takes nothing else but port=PORT and if EXPR, not {plain(words[1][:40])!r}")
    return [kinds([Kind.IRQ])]


def _message(session: "Session", words: list[str]) -> list[Node]:
    named = REGISTER.parse(session, "OUTMSG" + "".join(words[1:]))
    return [kinds(ACCESSES["write"]), IsRegister(frozenset(named.ids))]


def _window(session: "Session", words: list[str]) -> list[Node]:
    nodes: list[Node] = [kinds((Kind.MMIO_READ, Kind.MMIO_WRITE))]
    if len(words) == 1:
        return [*nodes, Compare("!=", Name(Column.BAR), Number(0))]
    number = words[1].upper().removeprefix("BAR")
    if len(words) > 2 or number not in ("1", "2", "3", "4", "5"):
        raise NtbTraceError(f"window takes BAR1 to BAR5, not {plain(' '.join(words[1:])[:40])!r}")
    return [*nodes, Compare("==", Name(Column.BAR), Number(int(number)))]


def _mem(session: "Session", words: list[str]) -> list[Node]:
    rest = words[1:]
    which = rest.pop(0) if rest and rest[0] in MEMORY else "write"
    length = 1
    if len(rest) == 3 and rest[1] == "len":
        length = _number(rest[2], "the length")
        rest = rest[:1]
    if len(rest) != 1 or not length:
        raise NtbTraceError("mem takes an address and perhaps a length: mem 0x4b00000 len 64")
    first = _number(rest[0], "the address")
    end = Binary("+", Name(Column.OFFSET), Name(Column.SIZE))
    return [
        kinds(MEMORY[which]),
        Compare("<", Name(Column.OFFSET), Number(first + length)),
        Compare(">", end, Number(first)),
    ]


def _at(session: "Session", words: list[str]) -> list[Node]:
    if len(words) != 2:
        raise NtbTraceError("at takes a function or a line of the guests' code: at idt_init_link, at ntb_hw_idt.c:774")
    return [parse(session.guests_code.where(words[1]), session.registers).root]


def _number(text: str, what: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 63:
        raise NtbTraceError(f"{what} must be a number, such as 0x4b00000, not {plain(text[:40])!r}")
    return number


_PARSERS: dict[str, Callable[["Session", list[str]], list[Node]]] = {
    **dict.fromkeys(ACCESSES, _access),
    "change": _change,
    "irq": _irq,
    "message": _message,
    "window": _window,
    "mem": _mem,
    "at": _at,
}
_MORE: dict[str, dict[str, str]] = {
    "message": {str(i): f"message register {i}" for i in range(4)},
    "window": {f"BAR{i}": "" for i in range(2, 6)},
    "mem": {"read": "reads", "access": "reads and writes", "write": "writes", "len": "bytes"},
}


def absent(stop: Stop, session: "Session") -> bool:
    """No event of this trace can be one for which the condition holds, as far as summaries tell."""
    if stop.condition is None:
        return False
    condition = stop.condition.without_device
    return not (any(map(condition.may_match, session.trace.blocks)) and _made(condition.root, session))


def nearest(stop: Stop, session: "Session") -> str:
    """For one at a line which made no access: those near it that did."""
    found = _AT_LINE.match(stop.text)
    lines = session.guests_code.near(found[1]) if found else []
    return f": lines near it that made accesses are {', '.join(map(str, lines))}" if lines else ""


def _made(node: Node, session: "Session") -> bool:
    """Some access was made by the code that the node asks for, if it does."""
    if isinstance(node, Logic):
        return (all if node.op == "and" else any)(_made(one, session) for one in node.operands)
    return not isinstance(node, InCode) or any(map(node.test, session.guests_code.chains()))


def combined(stops: Iterable[Stop]) -> Expression | None:
    """True for every event at which one of the stops without changes may be hit."""
    roots = [stop.condition.without_device.root for stop in stops if stop.condition is not None]
    return Expression("", reduce(lambda a, b: Logic("or", (a, b)), roots)) if roots else None
