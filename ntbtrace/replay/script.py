# SPDX-License-Identifier: GPL-2.0-or-later
"""Script: one block of a trace made ready to be performed: its stimuli by column, its effects, who owns
which.

Sorting is done on whole columns, so that the player's loop meets stimuli only. Nothing in a row is
believed: what no guest could have done is a TraceFormatError that names the event.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.host import Inject, IrqMode
from ntbtrace.errors import TraceFormatError
from ntbtrace.event import EFFECTS, STIMULI, Kind, endpoint_of
from ntbtrace.trace import Block

SIZES = (1, 2, 4, 8)  # bytes of an access
_ACCESSES = (Kind.CFG_READ, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.MMIO_WRITE)
_FIRST_EFFECT = min(EFFECTS)
_STIMULUS_COLUMNS = ("kind", "endpoint", "bar", "offset", "size", "value", "target", "status")
_EFFECT_COLUMNS = ("kind", "endpoint", "offset", "size", "value")


class Script:
    """`seqs[i]` is the seq of stimulus i; its effects are `effects[firsts[i]:ends[i]]`.

    An effect without a stimulus (the model failed when it was recorded) stands among the stimuli with
    its own kind.
    """

    def __init__(self, block: Block, ports: Collection[int]) -> None:
        columns = block.columns
        kinds = columns["kind"]
        _check(columns, ports)
        is_effect = np.isin(kinds, [int(kind) for kind in EFFECTS])
        is_stimulus = kinds < _FIRST_EFFECT
        row_of_stimulus = np.flatnonzero(is_stimulus)
        latest = is_stimulus.cumsum() - 1  # for each row: the stimulus at or before it
        owner = columns["seq"][row_of_stimulus[latest]] if len(row_of_stimulus) else np.full(len(kinds), -1)
        owned = is_effect & (latest >= 0) & (columns["cause"] == owner)
        rows = np.flatnonzero(is_stimulus | (is_effect & ~owned))
        self._block = block
        self._effect_rows = np.flatnonzero(owned)
        self.first: int = int(columns["seq"][0])
        self.end: int = int(columns["seq"][-1]) + 1
        self.snapshot: bytes = block.snapshot
        self.seqs: list[int] = columns["seq"][rows].tolist()
        # Owned effects follow their stimulus, so those of stimulus i end where the next stimulus begins.
        firsts = self._effect_rows.searchsorted(rows).tolist()
        self._columns: list[list[int]] = [
            firsts,
            [*firsts[1:], len(self._effect_rows)],
            *(columns[name][rows].tolist() for name in _STIMULUS_COLUMNS),
        ]
        self.effects: list[tuple[int, int, int, int, int]] = list(
            zip(*(columns[name][self._effect_rows].tolist() for name in _EFFECT_COLUMNS), strict=True)
        )

    def index(self, seq: int) -> int:
        """The first stimulus at or after `seq`."""
        return bisect_left(self.seqs, seq)

    def stimuli(self, begin: int, end: int) -> Iterator[tuple[int, ...]]:
        """For each of stimuli begin to end-1: first effect, end of effects, and _STIMULUS_COLUMNS."""
        return zip(*(column[begin:end] for column in self._columns), strict=True)

    def data(self, effect: int) -> bytes:
        """The bytes of an effect that has more than fit in its value."""
        return self._block.data(int(self._effect_rows[effect])) or b""

    def effect_seq(self, effect: int) -> int:
        return int(self._block.columns["seq"][self._effect_rows[effect]])


def _check(columns: dict[str, NDArray[Any]], ports: Collection[int]) -> None:
    """Raise TraceFormatError for the first row that could not have been recorded."""
    kinds, sizes, values, bars = columns["kind"], columns["size"], columns["value"], columns["bar"]
    access = np.isin(kinds, [int(kind) for kind in _ACCESSES])
    memory = np.isin(kinds, (int(Kind.MEM_READ), int(Kind.MEM_WRITE)))
    known = [endpoint_of(port) for port in ports]
    at_port = np.isin(kinds, [int(kind) for kind in STIMULI | EFFECTS])
    small = np.minimum(sizes, 7).astype(values.dtype) * values.dtype.type(8)
    too_wide = (sizes < 8) & ((values >> small) != 0)
    for wrong, what in (
        (
            at_port & ~np.isin(columns["endpoint"], known),
            "an endpoint that the trace's profile does not have",
        ),
        (access & ~np.isin(sizes, SIZES), "an access that is not of 1, 2, 4 or 8 bytes"),
        ((access | memory) & too_wide, "a value wider than the access"),
        ((kinds == Kind.ATTACH) & ~np.isin(bars, list(IrqMode)), "an unknown interrupt mode"),
        ((kinds == Kind.INJECT) & ~np.isin(bars, list(Inject)), "an unknown injection"),
    ):
        if wrong.any():
            seq = int(columns["seq"][int(wrong.argmax())])
            raise TraceFormatError(f"event {seq}: {what}; the file is damaged or was made by a later version")
