# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace check`: reads all of a trace and says what is wrong with it."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ntbtrace.commands.status import StatusLine
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import EFFECTS, STIMULI, Kind
from ntbtrace.text import plain
from ntbtrace.trace import Trace, open_trace

NAME = "check"
HELP = "read all of a trace: checksums, columns, order, causes"
EXAMPLE = "ntbtrace check run.ntbt"

_EFFECTS, _STIMULI = [int(kind) for kind in EFFECTS], [int(kind) for kind in STIMULI]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace")


def run(args: argparse.Namespace) -> int:
    faults = 0
    status = StatusLine()
    with open_trace(args.file, partial=True) as trace:
        for fault in _faults(trace, status):
            status.done()
            faults += 1
            print(plain(fault))
        status.done()
        if not faults:
            print(f"{plain(str(args.file))}: {len(trace):,} events in {len(trace.blocks)} blocks, all well")
    return 1 if faults else 0


def _faults(trace: Trace, status: StatusLine) -> Iterator[str]:
    if trace.cut_off:
        yield f"{trace.path}: the file is cut off: `ntbtrace salvage` makes it whole"
    elif not trace.closed:
        yield f"{trace.path}: the recording was not closed{' but is salvaged' if trace.salvaged else ''}"
    if trace.lost:
        yield f"{trace.path}: {trace.lost:,} events could not be written when it was recorded"
    time = 0
    for number, info in enumerate(trace.blocks):
        status.show(f"block {number + 1} of {len(trace.blocks)}", "")
        before = trace.blocks[number - 1].last_seq if number else info.first_seq - 1
        if info.first_seq != before + 1 and not trace.closed:  # a closed one was cut so
            yield f"events {before + 1} to {info.first_seq - 1} are missing"
        try:
            block = trace.block(number)
            columns = block.columns
            for row in np.flatnonzero(block.with_data).tolist():
                block.data(row)
        except NtbTraceError as error:
            yield str(error)
            continue
        kinds, causes, seqs, times = (columns[name] for name in ("kind", "cause", "seq", "t"))
        effects, stimuli = np.isin(kinds, _EFFECTS), np.isin(kinds, _STIMULI)
        owners = np.maximum.accumulate(np.where(stimuli, seqs, -1))
        for wrong, what in (
            (effects & (causes != owners), "an effect whose cause is not the stimulus before it"),
            (~effects & (kinds != Kind.WORK) & (causes >= 0), "a cause where there can be none"),
            ((kinds == Kind.WORK) & (causes < 0), "work that nothing has started"),
            (np.diff(times, prepend=times[:1]).astype(np.int64) < 0, "a time before that of the event before it"),
        ):
            if wrong.any():
                yield f"event {int(seqs[wrong.argmax()])}: {what} ({int(wrong.sum()):,} such events in this block)"
        if int(times[0]) < time:
            yield f"event {info.first_seq}: a time before that of the event before it"
        time = int(times[-1])
