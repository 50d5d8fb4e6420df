# SPDX-License-Identifier: GPL-2.0-or-later
"""The search for the next stop, forwards or backwards: among columns where the event tells, with the device where not.

Blocks whose summary rules every breakpoint out are not read; the device is asked only about events that may match.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntbtrace.event import Event
from ntbtrace.query import Expression
from ntbtrace.query.one import TARGET_ID
from ntbtrace.repl.breakpoints import Breakpoint, Stop
from ntbtrace.repl.stops import combined
from ntbtrace.replay.history import changes

if TYPE_CHECKING:
    from ntbtrace.repl.session import Say, Session

Moved = tuple[int, int, int]  # a register's target, what it held, what it holds


@dataclass(frozen=True)
class Hit:
    """At event `seq`. `moved`: of a breakpoint on a change."""

    breakpoint: Breakpoint
    seq: int
    moved: Moved | None = None


class Around:
    """The device around `event` (None: at the position), for expressions: query.one.Moment."""

    def __init__(self, session: "Session", event: Event | None = None, moved: Moved | None = None) -> None:
        self._session = session
        self.event = event
        self.change = moved

    def moved(self, after: bool) -> tuple[int, int] | None:
        if self.change is not None:
            return self.change[0] & TARGET_ID, self.change[2 if after else 1]
        if self.event is None or not self.event.target:
            return None
        value = self._session.device(self.event.seq + after).peek(self.event.target)
        return None if value is None else (self.event.target & TARGET_ID, value)

    def held(self, owner: int | None, number: int) -> int | None:
        session, event = self._session, self.event
        if event is None:
            return session.register(owner, number)
        with session.elsewhere(event.seq + 1):
            return session.register(owner, number)


class Test:
    """Whether a condition (None: none) is true for events; asked often, so it is made once."""

    def __init__(self, session: "Session", condition: Expression | None) -> None:
        self._around = Around(session)
        self._alone = None if condition is None else condition.without_device.test
        self._value = condition.at(self._around) if condition is not None and condition.asks_device else None

    def __call__(self, event: Event, moved: Moved | None = None) -> bool:
        if self._alone is not None and not self._alone(event):
            return False
        if self._value is None:
            return True
        self._around.event, self._around.change = event, moved
        return bool(self._value(event))


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
    plain = [one for one in wanted if not one.stop.changes]
    tests = [(one, Test(session, one.stop.condition)) for one in plain]
    for event in _candidates(session, [one.stop for one in plain], first, last, say, forwards):
        hits = [Hit(one, event.seq) for one, test in tests if test(event)]
        if hits:
            break
    for one in wanted:  # up to there: these are slower
        if hits:
            first, last = (first, hits[0].seq) if forwards else (hits[0].seq, last)
        found = _change(session, one, first, last, say, forwards)
        if found is not None:
            hits = [found, *(hit for hit in hits if hit.seq == found.seq)]
    return sorted(hits, key=lambda hit: (not hit.breakpoint.number, hit.breakpoint.number))


def _change(session: "Session", one: Breakpoint, first: int, last: int, say: "Say", forwards: bool) -> Hit | None:
    """The nearest hit of a breakpoint on changes within first to last."""
    best: Hit | None = None
    test = Test(session, one.stop.condition)
    for change in one.stop.changes:
        target = change.target
        for event, old, new in changes(
            session.trace,
            target,
            change.mask,
            first,
            last,
            newest_first=not forwards,
            player=session.scout,
            progress=say,
        ):
            if test(event, (target, old, new)):
                if best is None or (event.seq < best.seq if forwards else event.seq > best.seq):
                    best = Hit(one, event.seq, (target, old, new))
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
