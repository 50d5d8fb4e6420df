# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as a program wants it: a flat row for CSV, an object for JSON (`show --json`, one a line)."""

import csv
import json
import sys
from collections.abc import Iterable
from typing import Any

from ntbtrace.decode import covered, field_value, shift_of
from ntbtrace.event import (
    NO_BAR,
    NO_ENDPOINT,
    SWITCH_OWNER,
    WITH_BAR,
    WITH_STATUS,
    WITH_TEXT,
    Event,
    function_of,
    port_of,
)  # fmt: skip
from ntbtrace.render import kind_name, status_name
from ntbtrace.trace.registers import RegisterTable

COLUMNS = (
    "seq", "t", "port", "function", "kind", "bar", "offset", "size", "value", "register", "owner", "fields", "status",
    "cause", "data",
)  # fmt: skip


def as_row(event: Event, registers: RegisterTable) -> dict[str, Any]:
    """`COLUMNS` of an event; None for what it does not have. `fields`: by name; `data`: text, or hex digits."""
    somewhere = event.endpoint != NO_ENDPOINT
    owner = registers.owner(event.target)
    data = None
    if event.data is not None:
        data = event.data.decode("utf-8", "backslashreplace") if event.kind in WITH_TEXT else event.data.hex()
    fields = {f.name: field_value(f, event.value, shift_of(event)) for f in covered(event, registers)}
    return {
        "seq": event.seq,
        "t": event.t,
        "port": port_of(event.endpoint) if somewhere else None,
        "function": function_of(event.endpoint) if somewhere else None,
        "kind": kind_name(event.kind),
        "bar": event.bar if event.kind in WITH_BAR and event.bar != NO_BAR else None,
        "offset": event.offset,
        "size": event.size,
        "value": event.value if event.data is None else None,
        "register": registers.name(event.target) or None,
        "owner": "switch" if owner == SWITCH_OWNER else owner,
        "fields": fields or None,
        "status": status_name(event.status) if event.kind in WITH_STATUS else None,
        "cause": event.cause,
        "data": data,
    }


def print_json(events: Iterable[Event], registers: RegisterTable, flush: bool) -> None:
    for event in events:
        print(json.dumps(as_row(event, registers)), flush=flush)


def print_csv(events: Iterable[Event], registers: RegisterTable, flush: bool) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    for event in events:
        row = as_row(event, registers)
        row["fields"] = " ".join(f"{name}={value:#x}" for name, value in (row["fields"] or {}).items())
        writer.writerow(row)
        if flush:
            sys.stdout.flush()
