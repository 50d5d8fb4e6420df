# SPDX-License-Identifier: GPL-2.0-or-later
"""Which accesses of a trace were to what the chip does not have, and where they really went.

An access to GASADATA or ECFGDATA means the address that stands in GASAADDR or ECFGADDR. The trace has every write to
these, from power-on, so that the address is known at every event.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ntbtrace.commands.counting import Accesses, Tally, add_access
from ntbtrace.decode import READS, REGISTER_BYTES, WRITES
from ntbtrace.event import ACCESSES, INLINE, Inject, Kind, Status, function_of, port_name, port_of
from ntbtrace.query import Expression
from ntbtrace.query.columns import select
from ntbtrace.trace import Trace
from ntbtrace.trace.guard import reading
from ntbtrace.trace.layout import HEADER

CONFIG, GLOBAL = "config", "global"
PAIRS = (("GASAADDR", "GASADATA", GLOBAL), ("ECFGADDR", "ECFGDATA", CONFIG))  # the space that the pair leads to
_CFG = (Kind.CFG_READ, Kind.CFG_WRITE)
_RESETS = (Kind.RESET, Kind.ATTACH, Kind.DETACH)
_ID_MASK, _OWNER_SHIFT = 0xFF_FFFF, 24


class Place(NamedTuple):
    """`port` as people write it; `space`: config, BAR0 ... or global. `offset` None: the whole BAR is missing."""

    port: str
    space: str
    offset: int | None


class Row(NamedTuple):
    """What is needed of an event."""

    kind: int
    endpoint: int
    bar: int
    offset: int
    size: int
    value: int
    target: int
    status: int

    @property
    def in_registers(self) -> bool:
        """`offset` is one of the NT function's registers."""
        return not function_of(self.endpoint) and (self.kind in _CFG or not self.bar)


class Pair:
    """An indirect pair: the offsets of its two registers, and what stands in the first one, by port."""

    def __init__(self, address: dict[str, Any], data: dict[str, Any], space: str) -> None:
        """`address`, `data`: rows of the trace's register table."""
        self.id, self.address, self.data, self.space = (
            int(address["id"]),
            int(address["offset"]),
            int(data["offset"]),
            space,
        )
        self.stored = sum(((1 << width) - 1) << lsb for _, lsb, width, *_ in address["fields"])
        self.held: Counter[int] = Counter()

    def follow(self, row: Row) -> None:
        """Take in what the event does to the address register."""
        port = port_of(row.endpoint)
        if row.kind in READS or row.status == Status.DISABLED:
            return
        if row.kind == Kind.INJECT and row.bar == Inject.POKE:
            if row.target & _ID_MASK == self.id:
                self.held[row.target >> _OWNER_SHIFT] = row.value & self.stored
            return
        if row.kind not in WRITES:
            if not function_of(row.endpoint):
                self.held[port] = 0  # a reset
            return
        shift = row.offset - self.address
        if not row.in_registers or not -row.size < shift < REGISTER_BYTES:
            if row.target & _ID_MASK != self.id:
                return
            port, shift = row.target >> _OWNER_SHIFT, row.offset % REGISTER_BYTES  # by way of another pair
        bits, lanes = row.value, (1 << 8 * min(row.size, INLINE)) - 1
        lanes, bits = (
            (lanes << 8 * shift, bits << 8 * shift) if shift >= 0 else (lanes >> -8 * shift, bits >> -8 * shift)
        )
        lanes &= self.stored
        self.held[port] = self.held[port] & ~lanes | bits & lanes

    def place(self, row: Row) -> Place | None:
        """What an access through the pair meant; None for any other access."""
        if row.in_registers and self.data <= row.offset < self.data + REGISTER_BYTES:
            return Place(port_name(row.endpoint), self.space, self.held[port_of(row.endpoint)] & -REGISTER_BYTES)
        return None


def unknown_accesses(trace: Trace, where: Expression | None = None) -> dict[Place, Accesses]:
    """Reads and writes (for which `where` is true) by place, in order of the first one."""
    pairs = _pairs(trace)
    found: dict[Place, Accesses] = {}
    for row, chosen in _rows(trace, pairs, where):
        for pair in pairs:
            pair.follow(row)
        if chosen and row.status == Status.UNKNOWN and row.kind in ACCESSES:
            place = next(filter(None, (pair.place(row) for pair in pairs)), None) or _place(row)
            add_access(found, place, row.kind, Tally(1, row.size))
    return found


def _pairs(trace: Trace) -> list[Pair]:
    with reading(trace.path, HEADER.size, "the register table"):
        names = {row["name"]: row for row in trace.header.registers["registers"]}
        pairs = [(names.get(address), names.get(data), space) for address, data, space in PAIRS]
        return [Pair(address, data, space) for address, data, space in pairs if address and data]


def _place(row: Row) -> Place:
    port = port_name(row.endpoint)
    if row.kind in _CFG:
        return Place(port, CONFIG, row.offset)
    return Place(port, f"BAR{row.bar}", None if row.bar else row.offset)


def _rows(trace: Trace, pairs: list[Pair], where: Expression | None) -> Iterator[tuple[Row, bool]]:
    """Unknown accesses, and what may change an address register; and whether `where` is true of it."""
    ids = [pair.id for pair in pairs]
    for index, info in enumerate(trace.blocks):
        block = trace.block(index)
        columns = block.columns
        kind, offset, target = columns["kind"], columns["offset"].astype(np.int64), columns["target"]
        wanted = (columns["status"] == Status.UNKNOWN) & np.isin(kind, list(ACCESSES)) | np.isin(kind, _RESETS)
        wanted |= (kind == Kind.INJECT) & np.isin(columns["bar"], (Inject.HOT_RESET, Inject.POKE))
        written = np.isin(target & _ID_MASK, ids)
        for pair in pairs:
            written |= (offset > pair.address - 8) & (offset < pair.address + REGISTER_BYTES)
        wanted |= np.isin(kind, list(WRITES)) & written
        chosen = np.full(info.count, where is None)
        if where is not None and where.may_match(info):
            chosen[select(where, block)] = True
        rows = map(Row, *(columns[name][wanted].tolist() for name in Row._fields))
        yield from zip(rows, chosen[wanted].tolist(), strict=True)
