# SPDX-License-Identifier: GPL-2.0-or-later
"""Cutting: a part of a trace as a trace of its own. Whole blocks are taken over as they are, with their seqs.

Each block begins with the device's state, so that what is kept still replays; what lies between two kept blocks is
missing.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from ntbtrace.errors import NtbTraceError
from ntbtrace.query import Expression, columns
from ntbtrace.trace.annotations import copy_symbols
from ntbtrace.trace.derive import derived
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.sink import Sink


def blocks_between(trace: Trace, first: int, last: int) -> set[int]:
    """Numbers of the blocks that hold events of seq `first` to `last`."""
    return {i for i, info in enumerate(trace.blocks) if info.last_seq >= first and info.first_seq <= last}


def blocks_around(trace: Trace, where: Expression, before: int, after: int) -> set[int]:
    """Numbers of the blocks that hold an event for which `where` is true, or one of the so many before or after it."""
    wanted: set[int] = set()
    for i, info in enumerate(trace.blocks):
        if where.may_match(info):
            rows = columns.select(where, trace.block(i))
            if len(rows):
                wanted |= blocks_between(
                    trace, info.first_seq + int(rows[0]) - before, info.first_seq + int(rows[-1]) + after
                )
    return wanted


def cut(trace: Trace, numbers: Iterable[int], path: Path, *, overwrite: bool = False) -> int:
    """Write these blocks of `trace` to a new file; returns the number of its events.

    Raises NtbTraceError when nothing would be in it, for a trace that was not closed, or when it cannot be written.
    """
    chosen = sorted(numbers)
    if not chosen:
        raise NtbTraceError(f"nothing of {trace.path} would be kept")
    with derived(path, trace.source.start, [trace], overwrite=overwrite) as sink:
        for number in chosen:
            copy_block(trace, number, sink)
        copy_symbols([trace], sink)
    return sum(trace.blocks[number].count for number in chosen)


def copy_block(trace: Trace, number: int, sink: Sink) -> None:
    """Append block `number` of a closed trace as it is, with its code sites.

    Raises TraceFormatError if it is damaged, OSError.
    """
    info = trace.blocks[number]
    trace.block(number)  # a damaged one is refused here, and not by who reads the copy
    assert info.offset is not None
    sink.block(info, os.pread(trace.source.fd, info.length, info.offset))
    trace.annotations.copy_sites(number, sink)
