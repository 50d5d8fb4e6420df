# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace salvage`: make a whole file of a recording that was not closed (the recorder was killed)."""

import argparse
from pathlib import Path

from ntbtrace.text import plain
from ntbtrace.trace import salvage
from ntbtrace.trace.storage import pieces

NAME = "salvage"
HELP = "make a whole file of a recording that was not closed"
EXAMPLE = "ntbtrace salvage run.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE",
                        help="the trace; its journal lies beside it, or FILE.0001.ntbt ... do")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    parts = [] if args.file.exists() else pieces(args.file)
    for path in parts or [args.file]:
        if parts and not path.stat().st_size:  # the next one, which was just being made
            path.unlink()
        else:
            salvage(path, lambda line: print(plain(line)))
    if len(parts) > 1:
        print(f"`ntbtrace merge {plain(str(parts[0]))} ... -o {plain(str(args.file))}` makes one file of them")
    return 0
