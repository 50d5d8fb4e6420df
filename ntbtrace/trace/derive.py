# SPDX-License-Identifier: GPL-2.0-or-later
"""A trace made of others: what every command that makes one has in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import INLINE
from ntbtrace.trace.block import Block, has_data
from ntbtrace.trace.layout import ROW_DTYPE
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.sites import Sites
from ntbtrace.trace.summary import Rows


@contextmanager
def derived(path: Path, start: bytes, sources: Sequence[Trace], *, overwrite: bool) -> Iterator[Sink]:
    """A new file that begins with the header `start`; inside, blocks of `sources` are put into it, then it is closed.

    Raises NtbTraceError for a source that was not closed or is `path` itself, and when the file cannot be written; then
    none is left behind.
    """
    for trace in sources:
        if not (trace.closed or trace.salvaged):
            hint = f"end the recording, or run `ntbtrace salvage {trace.path}`"
            raise NtbTraceError(f"{trace.path} was not closed: {hint}")
        if path.exists() and path.samefile(trace.path):
            raise NtbTraceError(f"{path} is the trace itself: choose another name")
    sink = Sink(path, start, overwrite)
    try:
        yield sink
        sink.index(
            closed=all(trace.closed for trace in sources),
            salvaged=any(trace.salvaged for trace in sources),
            lost=sum(trace.lost for trace in sources),
        )
        sink.close()
    except OSError as error:
        sink.discard()
        raise NtbTraceError(f"cannot write {path}: {error.strerror}") from error
    except BaseException:
        sink.discard()
        raise


def rows_of(block: Block) -> Rows:
    """A block's rows as the journal had them; where data is long, the value is its place in the payload area."""
    rows = np.empty(block.info.count, ROW_DTYPE)
    for name in ROW_DTYPE.names or ():
        rows[name] = block.stored(name)
    return rows


def is_long(rows: Rows) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which rows have data in the payload area: a mask."""
    long: np.ndarray[tuple[int], np.dtype[np.bool_]] = has_data(rows["kind"], rows["size"]) & (rows["size"] > INLINE)
    return long


class Gathered:
    """Rows of several blocks, one payload area for them, their code sites."""

    def __init__(self, first_seq: int, snapshot: bytes) -> None:
        self.first_seq = first_seq
        self.snapshot = snapshot
        self.count = 0
        self.payload = bytearray()
        self.sites: list[tuple[int, Sites]] = []  # of the blocks, each with its first row here
        self._parts: list[Rows] = []
        self._places: dict[bytes, int] = {}

    def add(self, rows: Rows, data: Callable[[int], bytes | None]) -> None:
        """`data` gives the bytes of a row that has_data says has them. Changes `rows`."""
        for row in np.flatnonzero(is_long(rows)).tolist():
            found = data(row) or b""
            place = self._places.get(found)
            if place is None:
                place = self._places[found] = len(self.payload)
                self.payload += found
            rows["value"][row] = place
        self._parts.append(rows)
        self.count += len(rows)

    @property
    def rows(self) -> Rows:
        return np.concatenate(self._parts)
