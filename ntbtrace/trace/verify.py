# SPDX-License-Identifier: GPL-2.0-or-later
"""Verifying: what in a trace is not as a recorder writes it. Every byte is read, every column decoded."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import EFFECTS, STIMULI, Kind
from ntbtrace.trace.block import Block
from ntbtrace.trace.frame import read_frame
from ntbtrace.trace.layout import ROW_DTYPE, FrameType
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.sites import first_seq
from ntbtrace.trace.summary import summarize

_EFFECTS, _STIMULI = [int(kind) for kind in EFFECTS], [int(kind) for kind in STIMULI]


def faults(trace: Trace, say: Callable[[int], None]) -> Iterator[str]:
    """A line for each fault, with its place. `say` is told how many events have been read."""
    if trace.cut_off:
        yield f"{trace.path}: the file is cut off: `ntbtrace salvage {trace.path}` makes it whole"
    elif not (trace.closed or trace.salvaged):
        yield f"{trace.path}: the recording was not closed: end it, or run `ntbtrace salvage {trace.path}`"
    end, done, time = trace.source.begin, 0, 0
    for number, info in enumerate(trace.blocks):
        if info.offset is not None:
            yield from _between(trace, end, info.offset)
            end = info.offset + info.length
        try:
            block = trace.block(number)
            yield from _in_block(block)
            trace.annotations.sites(number)
            times = block.column("t")
            if int(times[0]) < time:
                yield f"event {info.first_seq}: a time before that of the event before it"
            time = int(times[-1])
        except NtbTraceError as error:
            yield str(error)
        done += info.count
        say(done)
    yield from _annotations(trace)


def remarks(trace: Trace) -> Iterator[str]:
    """A line for each thing that is no fault of the file, but that a reader of it should know."""
    if trace.salvaged and not trace.closed:
        yield "the recording was not closed, but salvaged: it ends where the recorder was stopped"
    if trace.lost:
        yield f"{trace.lost:,} events could not be written when it was recorded"
    missing = sum(after.first_seq - before.last_seq - 1 for before, after in pairwise(trace.blocks))
    if missing:
        yield f"{missing:,} events are left out between the blocks that were kept"


def _between(trace: Trace, at: int, end: int) -> Iterator[str]:
    """What stands between two blocks of the index: only frames of a later version may."""
    if end < at:
        yield f"{trace.path}: byte {end}: a block begins here, inside the one before it"
    while at < end:
        try:
            frame = read_frame(trace.path, trace.source.fd, at, end)
        except NtbTraceError as error:
            yield str(error)
            return
        if frame is None or frame.type == FrameType.EVENTS:
            yield f"{trace.path}: byte {at}: a block that the index does not have"
            return
        at += frame.length


def _annotations(trace: Trace) -> Iterator[str]:
    blocks = {info.first_seq for info in trace.blocks}
    for one in trace.annotations.of(FrameType.SITES):
        if first_seq(one.summary) not in blocks:
            yield f"{trace.path}: byte {one.offset}: code sites of a block that is not here"
    try:
        trace.annotations.symbols  # noqa: B018
    except NtbTraceError as error:
        yield str(error)


def _in_block(block: Block) -> Iterator[str]:
    columns, info = block.columns, block.info
    for row in np.flatnonzero(block.with_data).tolist():
        block.data(row)
    rows = np.empty(info.count, ROW_DTYPE)
    for name in ("t", "target", "endpoint", "kind"):
        rows[name] = columns[name]
    if summarize(info.first_seq, rows) != replace(info, offset=None, length=0):
        yield f"events {info.first_seq} to {info.last_seq}: the block's summary does not say what is in it"
    kinds, causes, seqs, times = (columns[name] for name in ("kind", "cause", "seq", "t"))
    effects, stimuli = np.isin(kinds, _EFFECTS), np.isin(kinds, _STIMULI)
    owners = np.maximum.accumulate(np.where(stimuli, seqs, -1))
    for wrong, what in (
        (effects & (causes != owners), "an effect whose cause is not the stimulus before it"),
        (~effects & (kinds != Kind.WORK) & (causes >= 0), "a cause where there can be none"),
        ((kinds == Kind.WORK) & (causes < 0), "work that nothing has started"),
        (times < np.append(times[:1], times[:-1]), "a time before that of the event before it"),
    ):
        if wrong.any():
            yield f"event {int(seqs[wrong.argmax()])}: {what} ({int(wrong.sum()):,} such events in this block)"
