# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace check`: reads all of a trace and says what is wrong with it."""

import argparse
from pathlib import Path

from ntbtrace.errors import TraceFormatError
from ntbtrace.progress import progress
from ntbtrace.text import plain
from ntbtrace.trace import open_trace
from ntbtrace.trace.reader import Source
from ntbtrace.trace.verify import faults, remarks

NAME = "check"
HELP = "read all of a trace: checksums, columns, index, order, causes"
EXAMPLE = "ntbtrace check run.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace")


def run(args: argparse.Namespace) -> int:
    Source(args.file).close()  # what is no trace at all is bad input
    try:
        trace = open_trace(args.file, partial=True)
    except TraceFormatError as error:
        print(plain(str(error)))
        return 1
    with trace:
        with progress("check", len(trace)) as say:
            found = list(faults(trace, say))
        for fault in found:
            print(plain(fault))
        if not found:
            print(f"{plain(str(args.file))}: {len(trace):,} events in {len(trace.blocks)} blocks, all well")
        for remark in remarks(trace):
            print(f"note: {plain(remark)}")
    return 1 if found else 0
