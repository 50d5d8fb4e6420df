# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of `record` and `serve` about how much of a recording is kept, and in how many files."""

import argparse
import re

from ntbtrace.commands.options import natural
from ntbtrace.errors import SetupError
from ntbtrace.text import plain
from ntbtrace.trace.storage import WHOLE, Around, Last, Rotate, Storage, pieces

UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
LEAST = 64 << 10  # bytes of a file that is rotated


def size(text: str) -> int:
    """Bytes, as '64M' or '1G'."""
    found = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text.upper())
    number = int(found[1]) << UNITS[found[2]] if found else 0
    if number < LEAST:
        raise argparse.ArgumentTypeError(f"must be a size of {LEAST >> 10}K or more, such as 64M, not {text[:40]!r}")
    return number


def keeping_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how much is kept")
    one = group.add_mutually_exclusive_group()
    one.add_argument("--rotate", type=size, metavar="SIZE",
                     help="files of about SIZE (64M, 1G), FILE.0001.ntbt ..., each replays by itself")  # fmt: skip
    one.add_argument("--keep", metavar="last:SIZE|around:EXPR",
                     help="last:SIZE, a flight recorder; around:EXPR, only what is near")  # fmt: skip
    group.add_argument("--slow-disk", choices=("wait", "drop"), default="wait",
                       help="for a disk that cannot follow: guests wait (default), or events are dropped")  # fmt: skip
    group.add_argument("--before", type=natural, metavar="N", help="with around: events before each (default: 1000)")
    group.add_argument("--after", type=natural, metavar="N", help="with around: events after each (default: 1000)")


def storage(args: argparse.Namespace) -> Storage:
    """What the options ask for. Raises SetupError."""
    kind, _, what = (args.keep or "").partition(":")
    near = [1000 if number is None else number for number in (args.before, args.after)]
    if kind != "around" and (args.before, args.after) != (None, None):
        raise SetupError("--before and --after go with --keep around:EXPR")
    if args.rotate is not None:
        return Rotate(args.rotate)
    if args.keep is None:
        return WHOLE
    if kind == "last":
        try:
            return Last(size(what))
        except argparse.ArgumentTypeError as error:
            raise SetupError(f"--keep last:SIZE {error}") from error
    if kind == "around" and what:
        return Around(what, *near)
    raise SetupError(f"--keep must be last:SIZE or around:EXPR, not {args.keep!r}")


def told(args: argparse.Namespace, events: int) -> str:
    """What a recording's last line says: the file, or the files, and how large."""
    files = pieces(args.output) if args.rotate is not None else [args.output]
    more = f" to {plain(files[-1].name)}" if len(files) > 1 else ""
    size = sum(file.stat().st_size for file in files)
    return f"{plain(str(files[0]))}{more}: {events:,} events, {size:,} bytes"
