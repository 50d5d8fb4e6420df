# SPDX-License-Identifier: GPL-2.0-or-later
"""The ports side by side: what each guest did, and arrows from a cause at one port to its effect at another."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ntbtrace.event import EFFECTS, NO_ENDPOINT, WITH_TEXT, Event, Kind, port_of
from ntbtrace.render import kind_name, place, register_name, seconds, status_name
from ntbtrace.repl.values import value_of
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

LEFT = 22  # columns of seq and time
LEAST = 24  # columns of a port
READ, WRITE = "R", "W"
_WRITES = (Kind.CFG_WRITE, Kind.MMIO_WRITE)
_READS = (Kind.CFG_READ, Kind.MMIO_READ)


def timeline(session: "Session", events: Iterable[Event]) -> Iterator[str]:
    """The lines, without line ends."""
    ports = list(session.ports)
    width = max(LEAST, (session.out.width - LEFT - 2) // max(len(ports), 1))
    column = {port: i for i, port in enumerate(ports)}
    yield (" " * LEFT + "".join(f"port {port}".ljust(width) for port in ports)).rstrip()
    here = session.previous_seq(session.position)
    causes: dict[int, int] = {}  # the ports of those that were drawn
    for event in events:
        if event.kind not in EFFECTS:
            causes[event.seq] = _port(event)
        mark = ">" if event.seq == here else " "
        head = f"{mark}{event.seq:>8} {seconds(event.t):>11} "
        yield (head + _row(session, event, causes, column, width)).rstrip()


def _row(session: "Session", event: Event, causes: dict[int, int], column: dict[int, int], width: int) -> str:
    at = column.get(_port(event), 0)
    text = _cut(_text(session, event), width - 2)
    cause = causes.get(event.cause) if event.cause is not None else None
    start = column.get(cause) if cause is not None else None
    if event.kind not in EFFECTS or start is None or start == at:
        return " " * (at * width + (2 if event.kind in EFFECTS else 0)) + text
    if start < at:
        line = "+" + "-" * ((at - start) * width - 3) + "> "
        return " " * (start * width + 1) + line + text
    arrow = "<" + "-" * max(1, (start - at) * width - len(text) - 1) + "+"
    return " " * (at * width) + f"{text} {arrow}"


def _port(event: Event) -> int:
    return -1 if event.endpoint == NO_ENDPOINT else port_of(event.endpoint)


def _text(session: "Session", event: Event) -> str:
    if event.kind in WITH_TEXT:
        return f"{kind_name(event.kind)} {plain(event.data or b'')}"
    status = f" [{status_name(event.status)}]" if event.status else ""
    if event.kind in (*_READS, *_WRITES):
        way = WRITE if event.kind in _WRITES else READ
        name = register_name(session.registers, event.target, _port(event)) or place(event)
        return f"{way} {name} {value_of(session.registers, event.target, event.value)}{status}"
    if event.kind in (Kind.MEM_READ, Kind.MEM_WRITE):
        return f"{kind_name(event.kind)} {event.offset:#x} {event.size} bytes{status}"
    return f"{kind_name(event.kind)}{status}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."
