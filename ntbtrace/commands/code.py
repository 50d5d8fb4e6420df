# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands that read a trace have in common about the guests' code: --symbols, and what is missing."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ntbtrace.errors import SetupError
from ntbtrace.text import plain
from ntbtrace.trace import Trace

if TYPE_CHECKING:
    from ntbtrace.symbols import Code


def code_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", type=Path, action="append", default=[], metavar="DIR",
                        help="where the guests' .ko files are (default: the guest image cache)")  # fmt: skip


@contextmanager
def guests_code(trace: Trace, args: argparse.Namespace) -> "Iterator[Code | None]":
    """The code of a trace that was recorded with --guest-pc, for its expressions too; None for another one. Says on
    stderr, at the end, what was missing. Raises SetupError.
    """
    if not trace.others or not any(trace.annotations.counts):
        if args.symbols:
            raise SetupError(f"{trace.path} has no code of its guests: --symbols is for what `record --guest-pc` made")
        yield None
        return
    from ntbtrace.symbols import attach  # a trace without code need not wait for it

    code = attach(trace, args.symbols)
    yield code
    sys.stdout.flush()
    for line in code.problems:
        print(f"ntbtrace: {plain(line)} (--symbols DIR)", file=sys.stderr)
