# SPDX-License-Identifier: GPL-2.0-or-later
"""Repacking: the same events in larger blocks and a tighter codec, for archives."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ntbtrace.trace.annotations import copy_symbols
from ntbtrace.trace.block import encode_block
from ntbtrace.trace.derive import Gathered, derived, is_long, rows_of
from ntbtrace.trace.header import renewed
from ntbtrace.trace.layout import MAX_PART
from ntbtrace.trace.packing import archive
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.sites import encode_sites, join

MOST_ROWS = 1 << 17  # of a block
MOST_PAYLOAD = MAX_PART // 2


def repack(trace: Trace, path: Path, say: Callable[[int], None], *, overwrite: bool = False) -> int:
    """Write the events of `trace` to a new file; returns its size in bytes. `say` is told the events done so far.

    Raises NtbTraceError for a trace that was not closed, or when the file cannot be written.
    """
    with derived(path, renewed(trace.source.start), [trace], overwrite=overwrite) as sink:
        done, packer = 0, archive()
        for one in _gather(trace):
            payload = bytes(one.payload)
            sink.block(*encode_block(one.first_seq, one.rows, payload, one.snapshot, packer))
            if one.sites:
                sink.annotate(encode_sites(one.first_seq, join(one.sites), packer))
            done += one.count
            say(done)
        copy_symbols([trace], sink)
    return path.stat().st_size


def _gather(trace: Trace) -> Iterator[Gathered]:
    """Blocks that follow each other without a gap, as many as one can hold."""
    one: Gathered | None = None
    for number, info in enumerate(trace.blocks):
        block = trace.block(number)
        rows = rows_of(block)
        payload = int(rows["size"][is_long(rows)].sum(dtype=np.uint64))
        if one is not None and (
            info.first_seq != one.first_seq + one.count
            or one.count + info.count > MOST_ROWS
            or len(one.payload) + payload > MOST_PAYLOAD
        ):
            yield one
            one = None
        if one is None:
            one = Gathered(info.first_seq, block.snapshot)
        sites = trace.annotations.sites(number)
        if sites is not None:
            one.sites.append((one.count, sites))
        one.add(rows, block.data)
    if one is not None:
        yield one
