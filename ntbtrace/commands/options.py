# SPDX-License-Identifier: GPL-2.0-or-later
"""Types of command line options that several commands share."""

import argparse
import sys
from dataclasses import dataclass

from ntbtrace.query.times import parse_time


def natural(text: str) -> int:
    """A whole number, 0 or more, decimal or 0x hex."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= sys.maxsize:
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 to {sys.maxsize}, not {text[:40]!r}")
    return number


@dataclass(frozen=True)
class Time:
    """ns since the start of a recording."""

    ns: int


def position(text: str) -> int | Time:
    """A place in a trace: an event's number, or a time since the start with its unit (0.25s, 90us)."""
    ns = parse_time(text)
    if ns is not None:
        return Time(ns)
    try:
        return natural(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or a time such as 0.25s or 90us") from None
