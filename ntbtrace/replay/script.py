# SPDX-License-Identifier: GPL-2.0-or-later
"""Script: one block of a trace made ready to be performed: its stimuli by column, its effects, who owns
which.

Sorting is done on whole columns, so that the player's loop meets stimuli only. Nothing in a row is
believed: what no guest could have done is a TraceFormatError that names the event.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator

import numpy as np

from device.host import Inject, IrqMode
from ntbtrace.errors import TraceFormatError
from ntbtrace.event import ACCESSES, EFFECTS, INLINE, Kind, Status
from ntbtrace.trace import Block

SIZES = (1, 2, 4, 8)  # bytes of an access
_ACCESSES = [int(kind) for kind in ACCESSES]
_MEMORY = [int(Kind.MEM_READ), int(Kind.MEM_WRITE)]
_EFFECTS = [int(kind) for kind in EFFECTS]
_FIRST_EFFECT = min(_EFFECTS)
_STIMULUS_COLUMNS = ("kind", "endpoint", "bar", "offset", "size", "value", "target", "status")
_EFFECT_COLUMNS = ("kind", "endpoint", "offset", "size", "value")
Stimulus = tuple[int, ...]  # first effect, end of effects, and _STIMULUS_COLUMNS


class Script:
    """`seqs[i]` is the seq of stimulus i; the effects behind it are `effects[firsts[i]:ends[i]]`.

    An effect whose cause is not the stimulus before it has kind 0 in `effects`: it equals none of the
    model's.
    """

    def __init__(self, block: Block, endpoints: Collection[int], engines: Collection[int]) -> None:
        """`endpoints`: ids of the functions that the switch has; `engines`: of those that can work."""
        self._block = block
        self.first = block.info.first_seq
        self.end = block.info.last_seq + 1
        self.snapshot = block.snapshot
        _check(block, endpoints, engines)
        kinds = block.column("kind")
        rows = np.flatnonzero(kinds < _FIRST_EFFECT)
        self._effect_rows = effect_rows = np.flatnonzero(np.isin(kinds, _EFFECTS))
        self.seqs: list[int] = (rows + self.first).tolist()
        firsts = effect_rows.searchsorted(rows)
        self._columns: list[list[int]] = [
            firsts.tolist(),
            [*firsts[1:].tolist(), len(effect_rows)],
            *(block.column(name)[rows].tolist() for name in _STIMULUS_COLUMNS),
        ]
        refused = block.column("status")[effect_rows] == Status.REFUSED
        self.refused = frozenset(np.flatnonzero(refused).tolist())  # effects: where there was no memory
        columns = {name: block.column(name)[effect_rows] for name in _EFFECT_COLUMNS}
        if len(effect_rows):
            owners = rows[rows.searchsorted(effect_rows) - 1] + self.first
            columns["kind"] = np.where(block.column("cause")[effect_rows] == owners, columns["kind"], 0)
        self.effects: list[tuple[int, int, int, int, int]] = list(
            zip(*(column.tolist() for column in columns.values()), strict=True)
        )

    def index(self, seq: int) -> int:
        """The first stimulus at or after `seq`."""
        return bisect_left(self.seqs, seq)

    def stimuli(self, begin: int, end: int) -> Iterator[Stimulus]:
        """Stimuli begin to end-1."""
        return zip(*(column[begin:end] for column in self._columns), strict=True)

    def data(self, effect: int) -> bytes:
        """The bytes of an effect that has more than fit in its value."""
        return self._block.data(int(self._effect_rows[effect])) or b""

    def effect_seq(self, effect: int) -> int:
        return self.first + int(self._effect_rows[effect])


def _check(block: Block, having: Collection[int], engines: Collection[int]) -> None:
    """Raise TraceFormatError for the first row that could not have been recorded."""
    kinds, sizes, values, bars, endpoints = map(block.column, ("kind", "size", "value", "bar", "endpoint"))
    access, effect = np.isin(kinds, _ACCESSES), np.isin(kinds, _EFFECTS)
    memory = np.isin(kinds, _MEMORY)
    small = sizes < INLINE
    bits = np.where(small, sizes, 0).astype(values.dtype) * values.dtype.type(8)
    stimulus = kinds < _FIRST_EFFECT
    for wrong, what in (
        ((stimulus | effect) & ~np.isin(endpoints, list(having)),
         "an endpoint that the trace's profile does not have"),
        (access & ~np.isin(sizes, SIZES), "an access that is not of 1, 2, 4 or 8 bytes"),
        ((access | memory) & small & (values >> bits != 0), "a value wider than the access"),
        ((kinds == Kind.WORK) & ~np.isin(endpoints, list(engines)), "work of a function that does none"),
        ((kinds == Kind.ATTACH) & ~np.isin(bars, list(IrqMode)), "an unknown interrupt mode"),
        ((kinds == Kind.INJECT) & ~np.isin(bars, list(Inject)), "an unknown injection"),
        (effect & (stimulus.cumsum() == 0), "an effect without a stimulus"),
    ):  # fmt: skip
        if wrong.any():
            seq = block.info.first_seq + int(wrong.argmax())
            raise TraceFormatError(f"event {seq}: {what}; the file is damaged or was made by a later version")
