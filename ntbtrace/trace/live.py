# SPDX-License-Identifier: GPL-2.0-or-later
"""Following a trace while it is recorded: from its blocks and, for what is in none yet, from its journal."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.trace.block import block_of_rows, decode_block
from ntbtrace.trace.frame import read_frame
from ntbtrace.trace.journal import read_journal
from ntbtrace.trace.reader import Scan, Source, continuation
from ntbtrace.trace.sink import locked
from ntbtrace.trace.summary import BlockInfo, summarize

POLL_S = 0.05


def follow(path: Path, stop: Callable[[], bool]) -> Iterator[Event]:
    """Every event of the trace, from the first, as the recording goes on.

    Ends when it is closed, or when stop() says so and what is there has been given.
    Raises NtbTraceError, after the last event, when the recorder died.
    """
    source = Source(path)
    try:
        yield from _follow(source, stop)
    except OSError as error:
        raise NtbTraceError(f"cannot read {path}: {error.strerror}") from error
    finally:
        source.close()


def _follow(source: Source, stop: Callable[[], bool]) -> Iterator[Event]:
    scan = Scan(source)
    done = 0  # blocks
    next_seq = 0
    while True:
        # In this order, so that rows which leave the journal meanwhile are found in the file.
        running = locked(source.fd)
        kept = read_journal(source.path, source.identity)
        scan.go_on()
        for info in scan.blocks[done:]:
            if info.last_seq >= next_seq:
                yield from _block(source, info, max(next_seq - info.first_seq, 0))
                next_seq = info.last_seq + 1
        done = len(scan.blocks)
        if scan.index is not None:
            return
        for half in continuation(kept, scan.blocks[-1].last_seq + 1 if done else 0):
            first = max(next_seq, half.first_seq)
            rows = half.rows[first - half.first_seq :]
            if len(rows):
                block = block_of_rows(summarize(first, rows), rows, half.payload, half.snapshot, source.path)
                next_seq = first + len(rows)
                yield from block.events()
        if not running:
            raise NtbTraceError(
                f"the recorder of {source.path} ended without closing it: "
                f"`ntbtrace salvage {source.path}` makes it whole"
            )
        if stop():
            return
        time.sleep(POLL_S)


def _block(source: Source, info: BlockInfo, begin: int) -> Iterator[Event]:
    frame = read_frame(source.path, source.fd, info.offset or 0, source.size())
    if frame is not None:
        yield from decode_block(info, frame, source.path).events(begin)
