# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace repl`: the debugger over a recording."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import device
from ntbtrace.commands.code import code_arguments, guests_code
from ntbtrace.errors import NtbTraceError
from ntbtrace.repl.highlight import Highlighter
from ntbtrace.repl.out import Plain, choose
from ntbtrace.repl.place import parse_place
from ntbtrace.repl.run import arrive
from ntbtrace.repl.session import Session
from ntbtrace.repl.shell import BAD_INPUT, OK, Shell
from ntbtrace.trace import Trace, open_trace

NAME = "repl"
HELP = "the debugger: walk a trace forwards and backwards, with breakpoints on register writes"
EXAMPLE = "ntbtrace repl run.ntbt --command 'break write OUTDBELLSET' --command continue --command why --batch"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--goto", metavar="SEQ|TIME|PERCENT", help="begin there (default: at the start)")
    where.add_argument("--at-divergence", action="store_true", help="begin where a replay first differs")
    parser.add_argument("-x", dest="scripts", action="append", default=[], type=Path, metavar="SCRIPT",
                        help="carry out the commands in this file first")  # fmt: skip
    parser.add_argument("--command", dest="commands", action="append", default=[], metavar="COMMAND",
                        help="carry out this command first (after the scripts)")  # fmt: skip
    parser.add_argument("--batch", action="store_true", help="plain text, and leave after scripts and commands")
    parser.add_argument("--load", dest="extensions", action="append", default=[], type=Path, metavar="FILE",
                        help="decoders and commands of your own, in Python")  # fmt: skip
    code_arguments(parser)
    parser.add_argument("--source", type=Path, action="append", default=[], metavar="DIR",
                        help="source text of the guests' code (default: the guest image cache)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace, guests_code(trace, args) as code:
        highlighter = Highlighter(trace.registers)
        out = Plain() if args.batch else choose(highlighter)
        session = Session(trace, out, code, args.source)
        if args.source:
            _ = session.sources  # says at once which directory is none
        shell = Shell(session, out)
        for line in _remarks(trace):
            out.line(line)
        done = _prepare(args, session, out)
        if done == OK:
            done = shell.script(_first(args))
        if args.batch or session.done or (done == BAD_INPUT and not sys.stdin.isatty()):
            return done
        if isinstance(out, Plain) and not sys.stdin.isatty():
            return shell.script(sys.stdin)
        return shell.talk(_ask(session, highlighter))


def _prepare(args: argparse.Namespace, session: Session, out: Plain) -> int:
    """Extensions, and where to begin. A broken extension does not keep a person from going on."""
    for path in args.extensions:
        try:
            session.extensions.load(path)
        except NtbTraceError as error:
            out.error(f"ntbtrace: {error}")
            if args.batch or not sys.stdin.isatty():
                return BAD_INPUT
    if args.goto is not None:
        arrive(session, parse_place(args.goto, session.trace, session.position, {}))
    if args.at_divergence:
        from ntbtrace.repl.commands.causes import goto_divergence

        goto_divergence(session)
    return OK


def _first(args: argparse.Namespace) -> list[str]:
    return [*(f"source {path}" for path in args.scripts), *args.commands]


def _ask(session: Session, highlighter: Highlighter) -> Callable[[str], str | None]:
    from ntbtrace.repl.prompt import make_prompt, plain_prompt

    session.out.line(f"{session.trace.path}: {len(session.trace):,} events; `help` lists the commands, Ctrl-D leaves")
    return plain_prompt if os.environ.get("TERM", "dumb") == "dumb" else make_prompt(session, highlighter)


def _remarks(trace: Trace) -> list[str]:
    remarks = []
    if trace.header.model_version != device.MODEL_VERSION:
        remarks.append(
            f"recorded with model version {trace.header.model_version}, this is {device.MODEL_VERSION}: events are as "
            "they were recorded; registers are what today's model makes of them, and may differ"
        )
    if not trace.closed:
        remarks.append(
            f"the recording was {'salvaged' if trace.salvaged else 'not closed'}: this is what there is of it"
        )
    if trace.lost:
        remarks.append(f"{trace.lost:,} events could not be written when it was recorded")
    return remarks
