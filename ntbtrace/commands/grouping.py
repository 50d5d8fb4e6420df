# SPDX-License-Identifier: GPL-2.0-or-later
"""`stats --by`: events counted by what expressions say of them: reg,port or value.TPART or t // s(1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ntbtrace.commands.tables import Cell, Table
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import SWITCH_OWNER
from ntbtrace.query import Expression, columns, parse
from ntbtrace.query.nodes import Column, Name, OfCode
from ntbtrace.render import kind_name, status_name
from ntbtrace.text import basename, plain
from ntbtrace.trace import Trace

if TYPE_CHECKING:
    from ntbtrace.symbols import Code

NS = 1_000_000_000
MOST_GROUPS = 100_000  # more than anybody reads, and they are in memory
Key = tuple[int | None, ...]


@dataclass
class Group:
    """`first`, `last`: times in ns."""

    events: int = 0
    size: int = 0
    first: int = field(default=1 << 63)
    last: int = 0


def count_by(trace: Trace, by: str, where: Expression | None) -> Table:
    """The table of `by`, expressions with commas between them. Raises NtbTraceError."""
    keys = [parse(text.strip(), trace.registers) for text in by.split(",")]
    groups: dict[Key, Group] = {}
    for index, info in enumerate(trace.blocks):
        if where is not None and not where.may_match(info):
            continue
        block = trace.block(index)
        rows = np.arange(info.count) if where is None else columns.select(where, block)
        if not len(rows):
            continue
        cells = [part[rows] for key in keys for part in columns.values(key, block)]
        which = np.zeros(len(rows), np.int64)
        for part in cells:  # one key after the other: to sort rows of several columns takes five times as long
            different, numbers = np.unique(part, return_inverse=True)
            if len(different) > 1:
                _, which = np.unique(which * len(different) + numbers, return_inverse=True)
        _, samples, counts = np.unique(which, return_index=True, return_counts=True)
        sizes = np.bincount(which, weights=block.column("size")[rows])
        times = block.column("t")[rows]
        firsts = np.full(len(counts), np.iinfo(times.dtype).max, times.dtype)
        lasts = np.zeros(len(counts), times.dtype)
        np.minimum.at(firsts, which, times)
        np.maximum.at(lasts, which, times)
        for i, sample in enumerate(zip(*(part[samples].tolist() for part in cells), strict=True)):
            values_of = tuple(v if there else None for v, there in zip(sample[::2], sample[1::2], strict=True))
            group = groups.setdefault(values_of, Group())
            group.events += int(counts[i])
            group.size += int(sizes[i])
            group.first, group.last = min(group.first, int(firsts[i])), max(group.last, int(lasts[i]))
        if len(groups) > MOST_GROUPS:
            raise NtbTraceError(f"--by {by} has more than {MOST_GROUPS:,} groups: count by less, such as t // s(1)")
    names = [_namer(trace, key) for key in keys]
    ordered = sorted(groups.items(), key=lambda item: -item[1].events)
    table = [
        (*(name(value) for name, value in zip(names, key, strict=True)), g.events, g.size, g.first / NS, g.last / NS,
         g.events * NS / (g.last - g.first) if g.last > g.first else None)
        for key, g in ordered
    ]  # fmt: skip
    headings = (*(str(key) for key in keys), "events", "bytes", "first s", "last s", "per s")
    return Table(f"{sum(g.events for g in groups.values()):,} events by {by}", headings, table)


def count_functions(trace: Trace, code: "Code", where: Expression | None) -> Table:
    """Who touches the device: of each function the accesses that are its own, and those made in or below it."""

    def chosen(index: int) -> Any:
        if where is None:
            return slice(None)
        return columns.select(where, trace.block(index)) if where.may_match(trace.blocks[index]) else slice(0)

    counts = code.counts(chosen)
    table = [(plain(one.function), plain(one.module), plain(basename(one.file)), one.own, one.total) for one in counts]
    return Table("accesses by function of the guests", ("func", "module", "file", "own", "total"), table)


def _namer(trace: Trace, key: Expression) -> Callable[[int | None], Cell]:
    """How a value of the expression is written: a register and a kind by name."""
    words: dict[Column, Callable[[int], str]] = {
        Column.REG: lambda value: plain(trace.registers.name(value)),
        Column.KIND: kind_name,
        Column.STATUS: status_name,
        Column.OWNER: lambda value: "switch" if value == SWITCH_OWNER else str(value),
    }
    word = words.get(key.root.column) if isinstance(key.root, Name) else None
    if isinstance(key.root, OfCode) and key.root.column != Column.LINE:
        column, source = key.root
        return lambda value: None if value is None else plain(source.word(column, value))
    if word is None:
        return lambda value: value
    return lambda value: None if value is None else word(value)
