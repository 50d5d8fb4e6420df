# SPDX-License-Identifier: GPL-2.0-or-later
"""Types of command line options that several commands share."""

import argparse
import sys


def natural(text: str) -> int:
    """A whole number, 0 or more, decimal or 0x hex."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= sys.maxsize:
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 to {sys.maxsize}, not {text[:40]!r}")
    return number
