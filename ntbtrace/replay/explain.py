# SPDX-License-Identifier: GPL-2.0-or-later
"""Explanation: what surrounds a divergence: the register's fields that differ, who wrote it last, the
events around.

Worked out on demand, from the trace; the replay itself keeps no history.
"""

from dataclasses import dataclass

import numpy as np

from ntbtrace.decode import REGISTER_BYTES, WRITES, covered, field_value, shift_of
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.replay.divergence import TARGET, VALUE, Divergence
from ntbtrace.replay.history import changes
from ntbtrace.trace import Trace


@dataclass(frozen=True)
class FieldDifference:
    name: str
    recorded: int
    computed: int
    unproven: bool  # the field was not written before, and what it resets to is not proven


@dataclass(frozen=True)
class Explanation:
    """`register` is the stimulus's, '' for a window. The last writes are events before the stimulus, or
    None.

    Until the divergence both sides made the same writes; `computed_write` is another event than
    `recorded_write` only when the model means another register (`computed_register`). `moved`: the event that changed
    the bits that differ last in the model (`differing`, as they stand in the register); None where nothing did.
    """

    register: str
    computed_register: str
    fields: tuple[FieldDifference, ...]
    recorded_write: Event | None
    computed_write: Event | None
    differing: int
    moved: Event | None
    around: tuple[Event, ...]


def explain(trace: Trace, divergence: Divergence, before: int = 5, after: int = 3) -> Explanation:
    """`before` and `after`: how many events around the divergence to show."""
    event, difference = divergence.event, divergence.first
    target = computed = event.target
    fields: tuple[FieldDifference, ...] = ()
    differing, moved = 0, None
    recorded_value, computed_value = difference.recorded, difference.computed
    recorded_write = last_write(trace, target, event.seq)
    if isinstance(recorded_value, int) and isinstance(computed_value, int):
        if difference.what == TARGET:
            computed = computed_value
        elif difference.what == VALUE:
            fields = _fields(trace, event, recorded_value, computed_value, recorded_write is None)
            differing = (recorded_value ^ computed_value) << shift_of(event) & (1 << 8 * REGISTER_BYTES) - 1
            moved = _mover(trace, target, differing, event.seq)
    computed_write = recorded_write if computed == target else last_write(trace, computed, event.seq)
    around = tuple(trace.events(max(difference.seq - before, trace.blocks[0].first_seq), difference.seq + after))
    registers = trace.registers
    names = registers.name(target), registers.name(computed)
    return Explanation(*names, fields, recorded_write, computed_write, differing, moved, around)


def _mover(trace: Trace, target: int, mask: int, before: int) -> Event | None:
    """The event before seq `before` that in the model changed one of these bits of the register last."""
    try:
        found = next(changes(trace, target, mask, last=before - 1, newest_first=True), None)
    except NtbTraceError:  # no register that is state, but a window onto one
        return None
    return found[0] if found else None


def last_write(trace: Trace, target: int, before: int) -> Event | None:
    """The last write to register `target` in an event before seq `before`, whichever way it took."""
    if not target:
        return None
    for index in range(len(trace.blocks) - 1, -1, -1):
        info = trace.blocks[index]
        if info.first_seq >= before or target not in info.targets:
            continue
        columns = trace.block(index).columns
        is_write = np.isin(columns["kind"], [int(kind) for kind in WRITES])
        rows = np.flatnonzero(is_write & (columns["target"] == target) & (columns["seq"] < before))
        if len(rows):
            seq = int(columns["seq"][rows[-1]])
            return next(trace.events(seq, seq))
    return None


def _fields(trace: Trace, event: Event, recorded: int, computed: int, unwritten: bool) -> tuple[FieldDifference, ...]:
    shift = shift_of(event)
    both = (
        FieldDifference(
            f.name, field_value(f, recorded, shift), field_value(f, computed, shift), unwritten and f.reset is None
        )
        for f in covered(event, trace.registers)
    )
    return tuple(difference for difference in both if difference.recorded != difference.computed)
