# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as a program wants it: a flat row for CSV, an object for JSON (`show --json`, one a line)."""

import csv
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ntbtrace.decode import covered, field_value, shift_of
from ntbtrace.event import (
    ACCESSES,
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

if TYPE_CHECKING:
    from ntbtrace.symbols import Code

COLUMNS = (
    "seq", "t", "port", "function", "kind", "bar", "offset", "size", "value", "register", "owner", "fields", "status",
    "cause", "data", "code",
)  # fmt: skip


def as_row(event: Event, registers: RegisterTable, code: "Code | None" = None) -> dict[str, Any]:
    """`COLUMNS` of an event; None for what it does not have. `fields`: by name; `data`: text, or hex digits; `code`: an
    object for each function, the innermost first, none where it is not known.
    """
    somewhere = event.endpoint != NO_ENDPOINT
    owner = registers.owner(event.target)
    data = None
    if event.data is not None:
        data = event.data.decode("utf-8", "backslashreplace") if event.kind in WITH_TEXT else event.data.hex()
    frames = code.frames(event.seq) if code is not None and event.kind in ACCESSES else None
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
        "code": None if frames is None else [frame._asdict() for frame in frames],
    }


def print_json(events: Iterable[Event], registers: RegisterTable, code: "Code | None", flush: bool) -> None:
    for event in events:
        print(json.dumps(as_row(event, registers, code)), flush=flush)


def print_csv(events: Iterable[Event], registers: RegisterTable, code: "Code | None", flush: bool) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    for event in events:
        row = as_row(event, registers)
        row["code"] = None if code is None else code.text(event.seq)
        row["fields"] = " ".join(f"{name}={value:#x}" for name, value in (row["fields"] or {}).items())
        writer.writerow(row)
        if flush:
            sys.stdout.flush()
