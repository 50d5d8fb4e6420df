# SPDX-License-Identifier: GPL-2.0-or-later
"""--from and --to: the part of a trace that a command is about, by event or by time."""

import argparse

from ntbtrace.commands.options import Time, position
from ntbtrace.errors import NtbTraceError
from ntbtrace.trace import Trace


def range_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--from", dest="first", type=position, metavar="SEQ|TIME", help="from event SEQ on, or from TIME (0.25s)")
    add("--to", dest="last", type=position, metavar="SEQ|TIME", help="up to event SEQ, or TIME")


def chosen_range(trace: Trace, args: argparse.Namespace) -> tuple[int, int]:
    """The first and the last seq. Raises NtbTraceError when there is no event from the one to the other."""
    end = trace.blocks[-1].last_seq if trace.blocks else 0
    first = trace.seq_at(args.first.ns) if isinstance(args.first, Time) else args.first or 0
    last = trace.seq_at(args.last.ns + 1) - 1 if isinstance(args.last, Time) else args.last
    last = end if last is None else last
    if first > min(last, end):
        raise NtbTraceError(f"--from must not be behind --to, nor behind the last event ({end}), not {first}")
    return first, last
