# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace merge`: recordings of several switches in order of time; the pieces of one as what they were."""

import argparse
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

from ntbtrace import __version__
from ntbtrace.errors import SetupError
from ntbtrace.progress import progress
from ntbtrace.render import seconds
from ntbtrace.text import plain
from ntbtrace.trace import open_trace
from ntbtrace.trace.header import MergedFrom
from ntbtrace.trace.merge import is_one_recording, join, merge
from ntbtrace.trace.placing import merged_header

NAME = "merge"
HELP = "recordings of several switches in order of time (to read), or the pieces of one recording (replays)"
EXAMPLE = "ntbtrace merge left.ntbt right.ntbt -o both.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="two traces or more")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.ntbt", help="the trace to make")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    if len(args.files) < 2:
        raise SetupError(f"name two traces or more to merge, not {plain(str(args.files[0]))} alone")
    with ExitStack() as stack:
        traces = [stack.enter_context(open_trace(path)) for path in args.files]
        one = is_one_recording(traces)
        header = (
            None if one else merged_header(traces, shlex.join(["ntbtrace", *sys.argv[1:]]), f"ntbtrace {__version__}")
        )
        with progress("merge", sum(map(len, traces))) as say:
            if header is None:
                events = join(traces, args.output, say, overwrite=args.overwrite)
            else:
                events = merge(traces, args.output, header, say, overwrite=args.overwrite)
    what = f"{len(traces)} {'pieces of one recording' if header is None else 'recordings'}"
    print(f"{plain(str(args.output))}: {events:,} events of {what}")
    for source in header.merged if header is not None else ():
        print(about(source))
    return 0


def about(source: MergedFrom) -> str:
    """Which port of a recording is which in the merged trace, and where it begins."""
    ports = ", ".join(plain(old if old == str(new) else f"{old} as {new}") for old, new in source.ports.items())
    return f"{plain(source.file)}: port {ports or 'none'}; from {seconds(source.shift)} s on by {plain(source.placed)}"
