# SPDX-License-Identifier: GPL-2.0-or-later
"""Times as people write them: a number with its unit."""

import re

UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # in ns
_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(s|ms|us|ns)")


def parse_time(text: str) -> int | None:
    """ns in '0.25s' or '90us'; None for text that is no time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    whole, _, part = found[1].partition(".")
    return (int(whole) * 10**9 + int(part.ljust(9, "0"))) * UNITS[found[2]] // 10**9
