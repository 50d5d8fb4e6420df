# SPDX-License-Identifier: GPL-2.0-or-later
"""Places in a trace, as a user names them: an event, a time, a part of it, its ends, a bookmark."""

import re
from collections.abc import Mapping
from decimal import Decimal

from ntbtrace.errors import NtbTraceError
from ntbtrace.query.times import parse_time
from ntbtrace.text import plain
from ntbtrace.trace import Trace

WORDS = {"start": "before the first event", "end": "the last event"}
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")


def first_seq(trace: Trace) -> int:
    return trace.blocks[0].first_seq if trace.blocks else 0


def end_seq(trace: Trace) -> int:
    """Behind the last event."""
    return trace.blocks[-1].last_seq + 1 if trace.blocks else 0


def parse_place(text: str, trace: Trace, here: int, bookmarks: Mapping[str, int]) -> int:
    """The position meant: all events with a seq below it have happened. `here`: the present one, for +5 and -5.

    Raises NtbTraceError for one outside the trace, saying what there is.
    """
    start, end = first_seq(trace), end_seq(trace)
    if text in bookmarks:
        return bookmarks[text]
    if text in WORDS:
        return start if text == "start" else end
    percent = _PERCENT.fullmatch(text)
    if percent:
        share = Decimal(percent[1]) / 100
        if share > 1:
            raise NtbTraceError(f"a part of the trace must be 0% to 100%, not {text}")
        return start + int((end - start) * share)
    ns = parse_time(text)
    if ns is not None:
        last = trace.blocks[-1].last_t if trace.blocks else 0
        if ns > last:
            raise NtbTraceError(f"a time must be within the recording (it ends at {last / 1e9:.6f}s), not {text}")
        return min(trace.seq_at(ns) + 1, end)
    sign = text[0] if text[:1] in ("+", "-") else ""
    try:
        number = int(text[len(sign) :], 0)
    except ValueError:
        names = f", or a bookmark ({', '.join(map(plain, bookmarks))})" if bookmarks else ""
        raise NtbTraceError(
            "a place is an event's number, a time (0.25s, 90us), a part (50%), start or end"
            f"{names}, not {plain(text)!r}"
        ) from None
    seq = here - 1 + (number if sign == "+" else -number) if sign else number
    if not start <= seq < end:
        raise NtbTraceError(f"an event must be {start} to {end - 1}, not {text}")
    return seq + 1
