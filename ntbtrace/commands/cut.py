# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace cut`: a part of a trace as a trace of its own, which still replays."""

import argparse
from pathlib import Path

from ntbtrace.commands.code import code_arguments, guests_code
from ntbtrace.commands.options import natural
from ntbtrace.commands.range import chosen_range, range_arguments
from ntbtrace.errors import SetupError
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
    range_arguments(parser)
    add("--where", metavar="EXPR", help="the neighbourhood of the events for which the expression is true")
    code_arguments(parser)
    add("--before", type=natural, metavar="N", help="with --where: events before each (default: 0)")
    add("--after", type=natural, metavar="N", help="with --where: events after each (default: 0)")


def run(args: argparse.Namespace) -> int:
    if args.where is None and (args.before, args.after) != (None, None):
        raise SetupError("--before and --after go with --where")
    with open_trace(args.file) as trace, guests_code(trace, args):
        first, last = chosen_range(trace, args)
        numbers = blocks_between(trace, first, last)
        if args.where is not None:
            numbers &= blocks_around(trace, parse(args.where, trace.registers), args.before or 0, args.after or 0)
        events = cut(trace, numbers, args.output, overwrite=args.overwrite)
        what = f"{events:,} of {len(trace):,} events, {len(numbers)} of {len(trace.blocks)} blocks"
        print(f"{plain(str(args.output))}: {what}")
    return 0
