# SPDX-License-Identifier: GPL-2.0-or-later
"""Repacking: the same events in larger blocks and a tighter codec, for archives."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import INLINE
from ntbtrace.trace.block import Block, encode_block
from ntbtrace.trace.layout import MAX_PART, ROW_DTYPE, Codec
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.summary import Rows

MOST_ROWS = 1 << 17  # of a block
MOST_PAYLOAD = MAX_PART // 2


def repack(trace: Trace, path: Path, say: Callable[[int], None], *, overwrite: bool = False) -> int:
    """Write the events of `trace` to a new file; returns its size in bytes. `say` is told the events done so far.

    Raises NtbTraceError for a trace that was not closed, or when the file cannot be written.
    """
    if not (trace.closed or trace.salvaged):
        raise NtbTraceError(f"{trace.path} was not closed: end the recording, or run `ntbtrace salvage {trace.path}`")
    if path.exists() and path.samefile(trace.path):
        raise NtbTraceError(f"{path} is the trace itself: choose another name")
    sink = Sink(path, trace.source.start, overwrite)
    try:
        done = 0
        for first, merged in _merge(trace):
            payload = bytes(merged.payload)
            sink.block(*encode_block(first, merged.rows, payload, merged.snapshot, compression=Codec.DEFLATE))
            done += merged.count
            say(done)
        sink.index(closed=trace.closed, salvaged=trace.salvaged, lost=trace.lost)
        size = sink.end
        sink.close()
    except OSError as error:
        sink.discard()
        raise NtbTraceError(f"cannot write {path}: {error.strerror}") from error
    except BaseException:
        sink.discard()
        raise
    return size


def _merge(trace: Trace) -> Iterator[tuple[int, "_Merged"]]:
    """Blocks that follow each other without a gap, as many as one can hold: the first seq, and what is in them."""
    merged, first = _Merged(b""), 0
    for number, info in enumerate(trace.blocks):
        gap = info.first_seq != first + merged.count
        full = merged.count + info.count > MOST_ROWS or len(merged.payload) > MOST_PAYLOAD
        if merged.count and (gap or full):
            yield first, merged
        if not number or gap or full:
            merged, first = _Merged(trace.block(number).snapshot), info.first_seq
        merged.add(trace.block(number))
    if merged.count:
        yield first, merged


class _Merged:
    """Rows of several blocks, and one payload area for them."""

    def __init__(self, snapshot: bytes) -> None:
        self.snapshot = snapshot
        self.count = 0
        self._parts: list[Rows] = []
        self._places: dict[bytes, int] = {}
        self.payload = bytearray()

    def add(self, block: Block) -> None:
        rows = np.empty(block.info.count, ROW_DTYPE)
        for name in ROW_DTYPE.names or ():
            rows[name] = block.stored(name)
        for row in np.flatnonzero(block.with_data & (rows["size"] > INLINE)).tolist():
            data = block.data(row) or b""
            if data not in self._places:
                self._places[data] = len(self.payload)
                self.payload += data
            rows["value"][row] = self._places[data]
        self._parts.append(rows)
        self.count += len(rows)

    @property
    def rows(self) -> Rows:
        return np.concatenate(self._parts)
