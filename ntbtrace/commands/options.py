# SPDX-License-Identifier: GPL-2.0-or-later
"""Types of command line options that several commands share."""

import argparse
import re
import sys
from dataclasses import dataclass
from decimal import Decimal


def natural(text: str) -> int:
    """A whole number, 0 or more, decimal or 0x hex."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= sys.maxsize:
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 to {sys.maxsize}, not {text[:40]!r}")
    return number


UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Time:
    """ns since the start of a recording."""

    ns: int


def position(text: str) -> int | Time:
    """A place in a trace: an event's number, or a time since the start with its unit (0.25s, 90us)."""
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(s|ms|us|ns)", text)
    if found:
        return Time(int(Decimal(found[1]) * UNITS[found[2]]))
    try:
        return natural(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or a time such as 0.25s or 90us") from None
