# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting a trace's events block by block on its columns; a command adds up the few groups that this gives."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from ntbtrace.decode import READS
from ntbtrace.event import ACCESSES
from ntbtrace.query import Expression, columns
from ntbtrace.render import register_name
from ntbtrace.trace import Trace
from ntbtrace.trace.registers import RegisterTable

_SHIFTS = (("kind", 56), ("endpoint", 48), ("bar", 40), ("status", 32), ("target", 0))  # of one 64-bit key


class Group(NamedTuple):
    """Events that agree in these columns."""

    kind: int
    endpoint: int
    bar: int
    status: int
    target: int


class Tally(NamedTuple):
    """How many events, and how many bytes their accesses or data have."""

    events: int
    size: int


class Accesses(NamedTuple):
    """Reads and writes of one thing."""

    reads: Tally
    writes: Tally

    @property
    def events(self) -> int:
        return self.reads.events + self.writes.events


T = TypeVar("T")
NONE = Tally(0, 0)


def count_groups(trace: Trace, where: Expression | None = None) -> dict[Group, Tally]:
    """Every event of the trace (for which `where` is true), in its group. Raises TraceFormatError."""
    events: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for index, info in enumerate(trace.blocks):
        if where is not None and not where.may_match(info):
            continue
        block = trace.block(index)
        chosen = slice(None) if where is None else columns.select(where, block)
        keys = np.zeros(info.count, np.uint64)
        for name, shift in _SHIFTS:
            keys |= block.column(name).astype(np.uint64) << np.uint64(shift)
        found, rows, counts = np.unique(keys[chosen], return_inverse=True, return_counts=True)
        total = np.bincount(rows, weights=block.column("size")[chosen])
        for key, count, size in zip(found.tolist(), counts.tolist(), total.tolist(), strict=True):
            events[key] += count
            sizes[key] += int(size)
    return {_group(key): Tally(count, sizes[key]) for key, count in events.items()}


def _group(key: int) -> Group:
    return Group(*(key >> shift & (0xFFFF_FFFF if name == "target" else 0xFF) for name, shift in _SHIFTS))


def events_by(groups: dict[Group, Tally], what: Callable[[Group], T]) -> Counter[T]:
    """Numbers of events by what `what` says of their group."""
    found: Counter[T] = Counter()
    for group, tally in groups.items():
        found[what(group)] += tally.events
    return found


def add_access(found: dict[T, Accesses], thing: T, kind: int, tally: Tally) -> None:
    """Count reads or writes (`kind` says which) of `thing`."""
    reads, writes = found.get(thing, Accesses(NONE, NONE))
    if kind in READS:
        reads = Tally(reads.events + tally.events, reads.size + tally.size)
    else:
        writes = Tally(writes.events + tally.events, writes.size + tally.size)
    found[thing] = Accesses(reads, writes)


def accesses_by(groups: dict[Group, Tally], what: Callable[[Group], T | None]) -> dict[T, Accesses]:
    """Reads and writes by what `what` says of their group, unless it says None."""
    found: dict[T, Accesses] = {}
    for group, tally in groups.items():
        thing = what(group) if group.kind in ACCESSES else None
        if thing is not None:
            add_access(found, thing, group.kind, tally)
    return found


def register_lines(groups: dict[Group, Tally], registers: RegisterTable, top: int | None = None) -> Iterator[str]:
    """The table of the busiest registers with their reads and writes; all of them without `top`."""
    found = accesses_by(groups, lambda group: group.target or None)
    busiest = sorted(found, key=lambda target: -found[target].events)[:top]
    if busiest:
        yield f"{'register':<20} {'reads':>10} {'writes':>10}"
    for target in busiest:
        reads, writes = found[target]
        yield f"{register_name(registers, target):<20} {reads.events:>10,} {writes.events:>10,}"
    if len(found) > len(busiest):
        yield f"and {len(found) - len(busiest)} more registers (--top N)"
