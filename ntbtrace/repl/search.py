# SPDX-License-Identifier: GPL-2.0-or-later
"""The search for the next stop, forwards or backwards: among columns where the event tells, with the device where not.

Blocks whose summary rules every breakpoint out are not read; the device is asked only about events that may match.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntbtrace.event import Event
from ntbtrace.query import Expression
from ntbtrace.repl.breakpoints import Breakpoint, Stop
from ntbtrace.repl.stops import combined
from ntbtrace.replay.history import changes

if TYPE_CHECKING:
    from ntbtrace.repl.session import Say, Session

TARGET_ID = 0xFF_FFFF


@dataclass(frozen=True)
class Hit:
    """At event `seq`. `moved`: of a breakpoint on a change, the register's target, what it held and holds."""

    breakpoint: Breakpoint
    seq: int
    moved: tuple[int, int, int] | None = None


class Around:
    """The device around `event` (None: at the position), for expressions: query.one.Moment."""

    def __init__(self, session: "Session", event: Event | None, moved: tuple[int, int, int] | None = None) -> None:
        self._session = session
        self._event = event
        self._moved = moved

    def moved(self, after: bool) -> tuple[int, int] | None:
        if self._moved is not None:
            return self._moved[0] & TARGET_ID, self._moved[2 if after else 1]
        if self._event is None or not self._event.target:
            return None
        value = self._session.device(self._event.seq + after).peek(self._event.target)
        return None if value is None else (self._event.target & TARGET_ID, value)

    def held(self, owner: int | None, number: int) -> int | None:
        session, event = self._session, self._event
        if event is None:
            return session.register(owner, number)
        with session.elsewhere(event.seq + 1):
            return session.register(owner, number)


def holds(session: "Session", condition: Expression, event: Event, moved: tuple[int, int, int] | None = None) -> bool:
    """Whether the condition is true for the event."""
    if not condition.asks_device:
        return condition.test(event)
    return condition.without_device.test(event) and bool(condition.at(Around(session, event, moved))(event))


def find(session: "Session", wanted: Sequence[Breakpoint], say: "Say", *, forwards: bool) -> list[Hit]:
    """The hits at the nearest event behind (before) the position at which there is one; none to the trace's end."""
    if forwards:
        first, last = session.position, session.end - 1
    else:
        here = session.previous_seq(session.position)
        if here is None:
            return []
        first, last = session.start, here - 1
    hits: list[Hit] = []
    for one in _watched(wanted):
        found = _change(session, one, first, last, say, forwards)
        if found is not None:
            hits = [found] if not hits or found.seq != hits[0].seq else [*hits, found]
            first, last = (first, found.seq) if forwards else (found.seq, last)
    plain = [one for one in wanted if not one.stop.changes]
    for event in _candidates(session, [one.stop for one in plain], first, last, say, forwards):
        met = [Hit(one, event.seq) for one in plain if one.stop.condition and holds(session, one.stop.condition, event)]
        if met:
            return [*(hit for hit in hits if hit.seq == event.seq), *met]
    return hits


def _watched(wanted: Sequence[Breakpoint]) -> Iterator[Breakpoint]:
    return (one for one in wanted if one.stop.changes)


def _change(session: "Session", one: Breakpoint, first: int, last: int, say: "Say", forwards: bool) -> Hit | None:
    """The nearest hit of a breakpoint on changes within first to last."""
    best: Hit | None = None
    for change in one.stop.changes:
        for event, old, new in changes(
            session.trace, change.target, change.mask, first, last, newest_first=not forwards, progress=say
        ):
            moved = (change.target, old, new)
            if one.stop.condition is None or holds(session, one.stop.condition, event, moved):
                if best is None or (event.seq < best.seq if forwards else event.seq > best.seq):
                    best = Hit(one, event.seq, moved)
                    first, last = (first, event.seq) if forwards else (event.seq, last)
                break
    return best


def _candidates(
    session: "Session", stops: Sequence[Stop], first: int, last: int, say: "Say", forwards: bool
) -> Iterator[Event]:
    """Events within first to last at which one of the stops may be hit, nearest first."""
    expression = combined(stops)
    if expression is None or first > last:
        return
    for block, rows in session.trace.select(expression, first, last, newest_first=not forwards):
        say(block.info.first_seq - session.start if forwards else session.end - block.info.last_seq)
        yield from block.events_at(rows if forwards else rows[::-1])
