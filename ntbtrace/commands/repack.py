# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace repack`: the same trace in fewer bytes, for archives."""

import argparse
from pathlib import Path

from ntbtrace.progress import progress
from ntbtrace.text import plain
from ntbtrace.trace import open_trace
from ntbtrace.trace.repack import repack

NAME = "repack"
HELP = "the same trace in fewer bytes, for archives"
EXAMPLE = "ntbtrace repack run.ntbt -o archive.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.ntbt", help="the trace to make")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace:
        whole = len(trace)
        with progress("repack", whole) as say:
            size = repack(trace, args.output, say, overwrite=args.overwrite)
        before = trace.path.stat().st_size
    print(f"{plain(str(args.output))}: {whole:,} events, {size:,} bytes, {size / before:.0%} of {before:,}")
    return 0
