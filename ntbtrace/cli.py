# SPDX-License-Identifier: GPL-2.0-or-later
"""The `ntbtrace` program: find the command, call it, turn errors into one line and an exit code.

A command is a module ntbtrace.commands.NAME with HELP, EXAMPLE, `arguments(parser)` and `run(args)`,
which returns the exit code. Only the module of the command that is asked for is imported. Exit codes:
0 done, 1 the answer is "no" (a replay that differs), 2 bad input, 70 a bug of ours, 130 interrupted,
141 the reader of our output went away.
"""

import argparse
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ntbtrace import __version__
from ntbtrace.errors import NtbTraceError
from ntbtrace.text import plain

PROGRAM = "ntbtrace"
COMMANDS = {
    "record": "start guests (simulated, or Linux in QEMU) and record what crosses between them",
    "info": "what a trace holds: guests, profile, duration, counts by kind, port and register",
    "show": "a trace in text, one decoded line an event; -f follows a running recording",
    "replay": "perform a trace on a fresh model and compare every answer and effect",
    "repl": "the debugger: walk a trace forwards and backwards, with breakpoints on register writes",
    "stats": "counts of a trace by port, kind, status, register and window; what was refused",
    "registers": "the switch's registers: a list, one by name or address, and what a value in it means",
    "check": "read all of a trace: checksums, columns, index, order, causes",
    "cut": "a part of a trace as a trace of its own, in whole blocks, so that it still replays",
    "repack": "the same trace in fewer bytes, for archives",
    "merge": "recordings of several switches in order of time (to read), or the pieces of one recording (replays)",
    "export": "a trace as pcapng, for Wireshark, tshark and scapy",
    "wireshark": "print or install Wireshark's dissector for exported traces",
    "salvage": "make a whole file of a recording that was not closed",
    "serve": "the switch for your own VMs: listen on sockets, record what crosses",
    "exec": "run your own QEMU command line with the switch plugged in",
    "console": "join the serial console of a guest that is being recorded",
    "inject": "pull a cable, warm the chip, reset a partition, poke a register of a switch that is being recorded",
    "guest": "build the Linux guest image for `record --guests qemu`",
}
EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED, EXIT_PIPE = 2, 70, 130, 141


class Parser(argparse.ArgumentParser):
    """argparse's, but a wrong word on the command line is one line like every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{PROGRAM}: {message} (see `{self.prog} --help`)\n")


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the command in `argv` alone, since each takes its time; with all of them, by name, where none or
    a wrong one is named.
    """
    parser = Parser(
        prog=PROGRAM,
        description="Record, replay and read what crosses a non-transparent bridge between virtual machines.",
        epilog=f"Try: {PROGRAM} record -o run.ntbt; {PROGRAM} show run.ntbt. COMMAND --help has an example.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the Python traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    alone = chosen in COMMANDS and not {"-h", "--help"} & set(argv[: list(argv).index(chosen)])
    for name in [chosen] if alone and chosen else COMMANDS:
        sub = commands.add_parser(name, help=COMMANDS[name])
        if name == chosen:
            module = import_module(f"{__package__}.commands.{name}")
            sub.description = f"{module.HELP}."
            sub.epilog = f"example: {module.EXAMPLE}"
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code. `argv` is without the program's name."""
    argv = sys.argv[1:] if argv is None else argv
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal's encoding lacks is no error
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in argv
    try:
        args = build_parser(argv).parse_args(argv)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _fail("", EXIT_INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        return EXIT_PIPE
    except NtbTraceError as error:
        return _fail(str(error), EXIT_BAD_INPUT, debug)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", EXIT_BAD_INPUT, debug)
    except Exception as error:
        hint = "" if debug else f"; please report it with the output of `{PROGRAM} --debug ...`"
        return _fail(f"internal error: {type(error).__name__}: {error}{hint}", EXIT_BUG, debug)


def _open_closed_streams() -> None:
    """Give standard streams that were closed before we came to nobody, so that no file of ours gets their number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(fd)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _fail(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if line:
        with contextlib.suppress(OSError):  # who would have read it is gone
            print(f"{PROGRAM}: {plain(line)}", file=sys.stderr)
    return code
