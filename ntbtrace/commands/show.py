# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace show`: a trace in text, one decoded line an event; `-f` follows a running recording like
strace.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ntbtrace.commands.code import code_arguments, guests_code
from ntbtrace.commands.options import natural
from ntbtrace.commands.tables import form_arguments
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.query import parse
from ntbtrace.render import HEADING, Renderer
from ntbtrace.trace import open_trace

NAME = "show"
HELP = "a trace in text, one decoded line an event; -f follows a running recording"
EXAMPLE = "ntbtrace show run.ntbt --where 'reg == OUTDBELLSET and value & 0x3' --limit 20"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace, closed or still being recorded")
    parser.add_argument(
        "--from", dest="first", type=natural, metavar="SEQ", help="begin with event SEQ (default: the first)"
    )
    parser.add_argument("--limit", type=natural, metavar="N", help="stop after N events")
    parser.add_argument("--where", metavar="EXPR", help="only events for which the expression is true")
    code_arguments(parser)
    form_arguments(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on as the recording grows")


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace, guests_code(trace, args) as code:
        first = args.first or 0
        where = None if args.where is None else parse(args.where, trace.registers)
        events: Iterator[Event]
        if args.follow and not trace.closed:
            from ntbtrace.trace import follow  # with the journal, which a closed trace does not need

            events = (event for event in follow(args.file, lambda: False) if event.seq >= first)
            events = events if where is None else filter(where.test, events)
        else:
            last = trace.blocks[-1].last_seq if trace.blocks else 0
            if first > last:
                raise NtbTraceError(f"--from must be an event of {args.file} (0 to {last}), not {first}")
            events = trace.events(first) if where is None else trace.where(where, first)
        chosen = islice(events, args.limit)
        if args.form is not None:
            from ntbtrace.commands import rows  # who reads text need not wait for it

        if args.form == "json":
            rows.print_json(chosen, trace.registers, code, flush=args.follow)
        elif args.form == "csv":
            rows.print_csv(chosen, trace.registers, code, flush=args.follow)
        else:
            renderer = Renderer(trace.registers) if code is None else Renderer(trace.registers, code=code.text)
            _print(chosen, renderer, flush=args.follow)
    return 0


def _print(events: Iterator[Event], renderer: Renderer, flush: bool) -> None:
    print(HEADING)
    for event in events:
        print(renderer.line(event), flush=flush)
