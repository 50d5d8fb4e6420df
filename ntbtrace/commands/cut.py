# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace cut`: a part of a trace as a trace of its own, which still replays."""

import argparse
from pathlib import Path

from ntbtrace.commands.options import natural
from ntbtrace.errors import NtbTraceError
from ntbtrace.query import parse
from ntbtrace.text import plain
from ntbtrace.trace import open_trace
from ntbtrace.trace.cut import blocks_around, blocks_between, cut

NAME = "cut"
HELP = "a part of a trace as a trace of its own, in whole blocks, so that it still replays"
EXAMPLE = "ntbtrace cut run.ntbt -o lost-bell.ntbt --where 'reg == OUTDBELLSET' --before 1000 --after 1000"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a trace")
    add("-o", "--output", type=Path, required=True, metavar="OUT.ntbt", help="the trace to make")
    add("--overwrite", action="store_true", help="replace OUT if it exists")
    add("--from", dest="first", type=natural, metavar="SEQ", help="from event SEQ on")
    add("--to", dest="last", type=natural, metavar="SEQ", help="up to event SEQ")
    add("--where", metavar="EXPR", help="the neighbourhood of the events for which the expression is true")
    add("--before", type=natural, default=0, metavar="N", help="with --where: events before each (default: 0)")
    add("--after", type=natural, default=0, metavar="N", help="with --where: events after each (default: 0)")


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace:
        end = trace.blocks[-1].last_seq if trace.blocks else 0
        first, last = args.first or 0, end if args.last is None else args.last
        if first > last:
            raise NtbTraceError(f"--from must not be behind --to, nor behind the last event ({end}), not {first}")
        numbers = blocks_between(trace, first, last)
        if args.where is not None:
            numbers &= blocks_around(trace, parse(args.where, trace.registers), args.before, args.after)
        events = cut(trace, numbers, args.output, overwrite=args.overwrite)
        what = f"{events:,} of {len(trace):,} events, {len(numbers)} of {len(trace.blocks)} blocks"
        print(f"{plain(str(args.output))}: {what}")
    return 0
