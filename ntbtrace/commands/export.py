# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace export`: a trace in another format."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ntbtrace.commands.code import code_arguments, guests_code
from ntbtrace.commands.range import chosen_range, range_arguments
from ntbtrace.errors import NtbTraceError
from ntbtrace.exporters.pcapng import write_pcapng
from ntbtrace.progress import progress
from ntbtrace.query import parse
from ntbtrace.text import plain
from ntbtrace.trace import open_trace
from ntbtrace.trace.sink import remove

NAME = "export"
HELP = "a trace as pcapng, for Wireshark, tshark and scapy"
EXAMPLE = "ntbtrace export run.ntbt -o run.pcapng; ntbtrace export run.ntbt -o - | wireshark -k -i -"
STDOUT = Path("-")


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a trace")
    add("-o", "--output", type=Path, required=True, metavar="OUT.pcapng", help="the file to make; -: standard output")
    add("--overwrite", action="store_true", help="replace OUT if it exists")
    add("--where", metavar="EXPR", help="only events for which the expression is true")
    code_arguments(parser)
    range_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace, guests_code(trace, args) as code:
        first, last = chosen_range(trace, args)
        where = None if args.where is None else parse(args.where, trace.registers)
        with progress("export", last + 1 - first) as say, _output(args.output, args.overwrite) as out:
            comment = None if code is None else code.text
            count = write_pcapng(trace, out, where, first, last, lambda seq: say(min(seq, last) + 1 - first), comment)
        whole = len(trace)
    if args.output != STDOUT:
        print(f"{plain(str(args.output))}: {count:,} of {whole:,} events, {args.output.stat().st_size:,} bytes")
    return 0


@contextmanager
def _output(path: Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A new file that only its owner can read; it is removed when what is inside fails. Raises NtbTraceError."""
    if path == STDOUT:
        if sys.stdout.isatty():
            raise NtbTraceError("a terminal cannot show pcapng: name a file, or pipe it into wireshark -k -i -")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if overwrite:
        remove(path)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise NtbTraceError(f"{path} exists: choose another name, or say --overwrite") from error
    except OSError as error:
        raise NtbTraceError(f"cannot create {path}: {error.strerror}") from error
    try:
        with open(fd, "wb", buffering=1 << 20) as out:
            yield out
    except OSError as error:
        path.unlink(missing_ok=True)
        raise NtbTraceError(f"cannot write {path}: {error.strerror}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
