# SPDX-License-Identifier: GPL-2.0-or-later
"""Merging: recordings of several switches as one trace in order of time, which is read and not replayed; or the pieces
of one recording as what they were (docs/adr/0004-merged-traces.md).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import NO_ENDPOINT, endpoint_of, function_of, port_of
from ntbtrace.trace.annotations import copy_symbols
from ntbtrace.trace.block import encode_block
from ntbtrace.trace.columns import IS_EFFECT, Array
from ntbtrace.trace.cut import copy_block
from ntbtrace.trace.derive import Gathered, derived, is_long, rows_of
from ntbtrace.trace.header import Header, MergedFrom, encode_header
from ntbtrace.trace.layout import ROW_DTYPE
from ntbtrace.trace.packing import recording
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.summary import Rows

MOST_ROWS = 1 << 15  # of a block
MOST_PAYLOAD = 4 << 20

Say = Callable[[int], None]


def join(traces: Sequence[Trace], path: Path, say: Say, *, overwrite: bool = False) -> int:
    """Write the pieces of one recording, block by block, to a new file; returns the number of its events. `say` is told
    the events done so far. A block that is in two pieces is taken once.

    Raises NtbTraceError for pieces that hold the same events in different blocks, and as `derived` does.
    """
    order = sorted((info.first_seq, -info.count, piece, number) for piece, trace in enumerate(traces)
                   for number, info in enumerate(trace.blocks))  # fmt: skip
    newest = max(traces, key=lambda trace: trace.format_version)
    done, last = 0, (-1, 0)
    with derived(path, newest.source.start, traces, overwrite=overwrite) as sink:
        for first, count, piece, number in order:
            if (first, count) == last:
                continue
            if sink.blocks and first <= sink.blocks[-1].last_seq:
                raise NtbTraceError(f"event {first} is in two blocks that differ, one of {traces[piece].path}")
            copy_block(traces[piece], number, sink)
            last = first, count
            done -= count
            say(done)
        copy_symbols(traces, sink)
    return done


def merge(traces: Sequence[Trace], path: Path, header: Header, say: Say, *, overwrite: bool = False) -> int:
    """Write the events of recordings of several switches in order of time to a new file that begins with `header`,
    from placing.merged_header(); returns the number of its events. `say` is told the events done so far. Annotations
    are left out: they are about the events of one recording.

    Raises NtbTraceError as `derived` does.
    """
    base, packer = 0, recording()
    sources = [_Source(trace, about) for trace, about in zip(traces, header.merged, strict=True)]
    with derived(path, encode_header(header), traces, overwrite=overwrite) as sink:
        out = Gathered(0, b"")
        for source in sources:
            source.note_starts()
        while active := [source for source in sources if source.load()]:
            going_on = [source for source in active if source.goes_on]
            first = min(going_on, key=lambda source: source.keys[-1], default=None)  # the first of several
            for rows, data in _in_order(active, first, base):
                if out.count and not _fits(out, rows):
                    sink.block(*encode_block(out.first_seq, out.rows, bytes(out.payload), out.snapshot, packer))
                    out = Gathered(base, b"")
                out.add(rows, data)
                base += len(rows)
            say(base)
        if out.count:
            sink.block(*encode_block(out.first_seq, out.rows, bytes(out.payload), out.snapshot, packer))
    return base


def is_one_recording(traces: Sequence[Trace]) -> bool:
    return all(trace.header == traces[0].header for trace in traces)


class _Source:
    """A trace on its way into a merged one: its block at hand, in the merged trace's terms."""

    def __init__(self, trace: Trace, about: MergedFrom) -> None:
        self._trace = trace
        self._shift = about.shift
        ports = {int(old): new for old, new in about.ports.items()}
        self._endpoints, self._owners = np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint32)
        for endpoint in range(NO_ENDPOINT):
            port = port_of(endpoint)
            self._endpoints[endpoint] = endpoint_of(ports.get(port, port), function_of(endpoint))
        for port, new in ports.items():
            self._owners[port] = new
        self._starts = np.empty(0, np.int64)
        self._new_seqs: dict[int, int] = {}  # of the events in _starts
        self._next = 0  # block
        self._floor = np.uint64(0)
        self._at = 0
        self.rows: Rows = np.empty(0, ROW_DTYPE)
        self.keys: Array = np.empty(0, np.uint64)  # by row: when its stimulus was

    @property
    def goes_on(self) -> bool:
        """Whether more blocks follow the one at hand."""
        return self._next < len(self._trace.blocks)

    def note_starts(self) -> None:
        """Find the events that later ones name as their cause from afar: what an engine's work began with."""
        found = [np.empty(0, np.int64)]
        for number in range(len(self._trace.blocks)):
            block = self._trace.block(number)
            far = ~IS_EFFECT[block.column("kind")] & (block.column("cause") >= 0)
            found.append(np.unique(block.column("cause")[far]))
        self._starts = np.unique(np.concatenate(found))

    def load(self) -> bool:
        """Have rows at hand; False at the end."""
        if self._at < len(self.rows):
            return True
        if not self.goes_on:
            return False
        block = self._trace.block(self._next)
        self._next += 1
        self._at = 0
        self._first_seq = block.info.first_seq
        self.data = block.data
        rows = rows_of(block)
        rows["t"] += np.uint64(self._shift)
        rows["endpoint"] = self._endpoints[rows["endpoint"]]
        target = rows["target"]
        rows["target"] = np.where(target == 0, 0, self._owners[target >> 24] << 24 | target & 0xFF_FFFF)
        stimuli = np.where(IS_EFFECT[rows["kind"]], 0, np.arange(len(rows)))
        keys = rows["t"][np.maximum.accumulate(stimuli)]
        keys[0] = max(keys[0], self._floor)
        self.keys = np.maximum.accumulate(keys)
        self._floor = self.keys[-1]
        self.rows = rows
        return True

    def take(self, horizon: Any, side: Literal["left", "right"]) -> tuple[int, int]:
        """The rows at hand up to time `horizon` (None: all), itself included on its "right"; from and to."""
        begin = self._at
        self._at = len(self.rows) if horizon is None else max(begin, int(self.keys.searchsorted(horizon, side)))
        return begin, self._at

    def renumber(self, begin: int, end: int, seqs: Array) -> None:
        """Rows `begin` to `end` - 1 have these seqs in the merged trace: causes from afar are told anew."""
        first = self._first_seq
        wanted = self._starts[slice(*self._starts.searchsorted([first + begin, first + end]))]
        self._new_seqs.update(zip(wanted.tolist(), seqs[wanted - first - begin].tolist(), strict=True))
        rows = self.rows[begin:end]
        for row in np.flatnonzero(~IS_EFFECT[rows["kind"]] & (rows["cause"] != 0)).tolist():
            cause = self._new_seqs.get(first + begin + row - int(rows["cause"][row]))
            rows["cause"][row] = 0 if cause is None else int(seqs[row]) - cause


def _in_order(
    sources: Sequence[_Source], first: _Source | None, base: int
) -> list[tuple[Rows, Callable[[int], bytes | None]]]:
    """What the sources have at hand up to the end of what `first` has, in order, in pieces that a block can hold: rows,
    and what gives their data. The first gets seq `base`. Of one time, a source before another comes before it."""
    side: Literal["left", "right"] = "right"
    parts = []
    horizon = None if first is None else first.keys[-1]
    for source in sources:
        parts.append((source, *source.take(horizon, side)))
        if source is first:
            side = "left"
    keys = np.concatenate([source.keys[begin:end] for source, begin, end in parts])
    order = keys.argsort(kind="stable")
    seqs = np.empty(len(order), np.int64)
    seqs[order] = np.arange(base, base + len(order))
    at = 0
    for source, begin, end in parts:
        source.renumber(begin, end, seqs[at : at + end - begin])
        at += end - begin
    rows = np.concatenate([source.rows[begin:end] for source, begin, end in parts])[order]
    origin = np.concatenate([np.full(end - begin, number) for number, (_, begin, end) in enumerate(parts)])[order]
    places = np.concatenate([np.arange(begin, end) for _, begin, end in parts])[order]
    firsts = np.append(np.flatnonzero(~IS_EFFECT[rows["kind"]]), len(rows))
    firsts[0] = 0
    sizes = np.append(0, np.where(is_long(rows), rows["size"], 0).cumsum(dtype=np.uint64))
    pieces, begin = [], 0
    while begin < len(rows):
        fits = (firsts <= begin + MOST_ROWS) & (sizes[firsts] <= sizes[begin] + MOST_PAYLOAD)
        end = max(int(firsts[fits][-1]), int(firsts[firsts.searchsorted(begin, "right")]))
        pieces.append((rows[begin:end], _data(sources, origin[begin:end], places[begin:end])))
        begin = end
    return pieces


def _data(sources: Sequence[_Source], origin: Array, places: Array) -> Callable[[int], bytes | None]:
    blocks = [source.data for source in sources]
    return lambda row: blocks[origin[row]](int(places[row]))


def _fits(out: Gathered, rows: Rows) -> bool:
    payload = int(rows["size"][is_long(rows)].sum(dtype=np.uint64))
    return out.count + len(rows) <= MOST_ROWS and len(out.payload) + payload <= MOST_PAYLOAD
