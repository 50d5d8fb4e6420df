# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace salvage`: make a whole file of a recording that was not closed (the recorder was killed)."""

import argparse
from pathlib import Path

from ntbtrace.text import plain
from ntbtrace.trace import salvage

NAME = "salvage"
HELP = "make a whole file of a recording that was not closed"
EXAMPLE = "ntbtrace salvage run.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the trace; its journal lies beside it")


def run(args: argparse.Namespace) -> int:
    salvage(args.file, lambda line: print(plain(line)))
    return 0
