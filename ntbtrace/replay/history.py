# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of a register: after which events it held something else than before, forwards or backwards.

    for change in changes(trace, target, first=100, newest_first=True):
        print(change.event.seq, hex(change.old), hex(change.new))

A block is performed only when something in it can have moved the register (device: Switch.movers), and from there only
as far as the last such event.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device.regmap import DWORD, several
from ntbtrace.decode import WRITES
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import ACCESSES, STIMULI, SWITCH_OWNER, Event, Kind
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace
from ntbtrace.trace.block import Block

_WRITES = [int(kind) for kind in WRITES]
_OTHERS = [int(kind) for kind in STIMULI - ACCESSES - {Kind.RAM_MAP}]  # can change anything
_CAN_MOVE = frozenset((*_WRITES, *_OTHERS))
_REGISTERS_BAR = 0
_AT_ONCE = 64  # changes that are found before they are told


class Change(NamedTuple):
    """`event`: the stimulus; `old` and `new`: the bits of `mask` before and after it."""

    event: Event
    old: int
    new: int


def changes(
    trace: Trace,
    target: int,
    mask: int = DWORD,
    first: int = 0,
    last: int | None = None,
    *,
    newest_first: bool = False,
    player: Player | None = None,
    progress: Callable[[int], None] = lambda position: None,
) -> Iterator[Change]:
    """The changes of register `target` by the events of seq `first` to `last` (the end), both included.

    `player`: of the trace, to be moved about; who asks often keeps one for this. `progress` is told the position that
    was reached, once a block; what it raises ends the search. Nothing but one block's changes is kept. Raises
    NtbTraceError for a register that the trace's switch does not have.
    """
    player = player or Player(trace)
    if player.switch.peek(target) is None:
        name, owner = trace.registers.name(target) or f"{target:#x}", target >> 24
        whose = "the switch" if owner == SWITCH_OWNER else f"port {owner}"
        raise NtbTraceError(f"{trace.path}: there is no register {name} of {whose}")
    movers = player.switch.movers(target)
    wanted = None if movers is None else np.array(sorted(movers), np.uint32)
    last = player.end - 1 if last is None else last
    indices = range(len(trace.blocks))
    for index in reversed(indices) if newest_first else indices:
        info = trace.blocks[index]
        if info.last_seq < first or info.first_seq > last:
            continue
        if info.kinds & _CAN_MOVE:
            block = trace.block(index)
            rows = _candidates(block, wanted)
            rows = rows[(rows >= first - info.first_seq) & (rows <= last - info.first_seq)]
            found = _moved(player, target, mask, block, rows)
            yield from reversed(list(found)) if newest_first else found
        progress(info.first_seq if newest_first else info.last_seq + 1)


def _candidates(block: Block, movers: NDArray[Any] | None) -> NDArray[np.intp]:
    """The rows that can have moved a register with these movers (None: all writes do)."""
    kinds = block.column("kind")
    found = np.isin(kinds, _WRITES)
    if found.any():
        found &= (kinds == Kind.CFG_WRITE) | (block.column("bar") == _REGISTERS_BAR)
    if movers is not None and found.any():
        moved = several(block.column("offset"), block.column("size"))
        if not block.info.targets.isdisjoint(movers.tolist()):
            moved |= np.isin(block.column("target"), movers)
        found &= moved
    return np.flatnonzero(found | np.isin(kinds, _OTHERS))


def _moved(player: Player, target: int, mask: int, block: Block, rows: NDArray[np.intp]) -> Iterator[Change]:
    """Of these stimuli of a block: those that changed the register. Between them nothing does."""
    if not len(rows):
        return
    seqs = (rows + block.info.first_seq).tolist()
    player.seek(seqs[0])
    old = _bits(player, target, mask)
    found: list[tuple[int, int, int]] = []
    for seq in player.pausing(seqs):
        new = _bits(player, target, mask)
        if new != old:
            found.append((seq, old, new))
            old = new
            if len(found) == _AT_ONCE:
                yield from _changes(block, found)
                found = []
    yield from _changes(block, found)


def _changes(block: Block, found: Sequence[tuple[int, int, int]]) -> Iterator[Change]:
    rows = np.array([seq - block.info.first_seq for seq, _, _ in found], np.intp)
    for event, (_, old, new) in zip(block.events_at(rows), found, strict=True):
        yield Change(event, old, new)


def _bits(player: Player, target: int, mask: int) -> int:
    return (player.switch.peek(target) or 0) & mask
