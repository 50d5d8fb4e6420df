# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trace knows of a guest's memory at a position: the bytes that were last read or written through the switch."""

from dataclasses import dataclass

from ntbtrace.event import INLINE, Event, Kind
from ntbtrace.query import Expression
from ntbtrace.query.nodes import Binary, Column, Compare, Logic, Name, Number
from ntbtrace.trace import Trace

REGION = 16  # bytes of a region in a RAM_MAP event: u64 address, u64 size


@dataclass
class Memory:
    """`bytes`: None for those that the trace does not know. `mapped`: the guest has memory at all of them, as far as it
    told. `last`: the seq of the last event that wrote one of them, None if they were only read.
    """

    bytes: list[int | None]
    mapped: bool
    last: int | None


def known_memory(trace: Trace, port: int, address: int, length: int, position: int) -> Memory:
    """`length` bytes of the port's memory from `address` on, after all events before `position`."""
    found: list[int | None] = [None] * length
    missing, last = length, None
    end = Binary("+", Name(Column.OFFSET), Name(Column.SIZE))
    touches = _all(
        _either(Kind.MEM_READ, Kind.MEM_WRITE),
        Compare("==", Name(Column.PORT), Number(port)),
        Compare("<", Name(Column.OFFSET), Number(address + length)),
        Compare(">", end, Number(address)),
    )
    if position > 0:
        for block, rows in trace.select(touches, 0, position - 1, newest_first=True):
            for event in block.events_at(rows[::-1]):
                if last is None and event.kind == Kind.MEM_WRITE:
                    last = event.seq
                missing -= _fill(found, address, event)
            if not missing:
                break
    return Memory(found, _mapped(trace, port, address, length, position), last)


def _fill(found: list[int | None], address: int, event: Event) -> int:
    """Put the bytes of an earlier event where no later one has put any; how many those are."""
    data = event.value.to_bytes(INLINE, "little")[: event.size] if event.data is None else event.data
    filled = 0
    for i, byte in enumerate(data, event.offset - address):
        if 0 <= i < len(found) and found[i] is None:
            found[i] = byte
            filled += 1
    return filled


def _mapped(trace: Trace, port: int, address: int, length: int, position: int) -> bool:
    maps = _all(_either(Kind.RAM_MAP), Compare("==", Name(Column.PORT), Number(port)))
    if position <= 0:
        return False
    for block, rows in trace.select(maps, 0, position - 1, newest_first=True):
        data = next(block.events_at(rows[-1:])).data or b""
        words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) // REGION * REGION, 8)]
        return any(
            a <= address and address + length <= a + size for a, size in zip(words[::2], words[1::2], strict=True)
        )
    return False


def _either(*kinds: Kind) -> Compare | Logic:
    parts = tuple(Compare("==", Name(Column.KIND), Number(int(kind))) for kind in kinds)
    return parts[0] if len(parts) == 1 else Logic("or", parts)


def _all(*parts: Compare | Logic) -> Expression:
    return Expression("", Logic("and", parts))
