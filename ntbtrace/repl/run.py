# SPDX-License-Identifier: GPL-2.0-or-later
"""Going on and stopping: every command that moves comes through here, so that all stop and report alike."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import EFFECTS, Event
from ntbtrace.repl.breakpoints import Breakpoint, Stop
from ntbtrace.repl.search import Hit, find
from ntbtrace.repl.values import evaluated, target_name, value_of
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

TRACE = "trace"
TEMPORARY = "tbreak"


def run(session: "Session", *, forwards: bool, until: Stop | None = None, count: int = 1) -> None:
    """To the next stop in that direction: an enabled breakpoint, or what `until` waits for; else to the trace's end.

    `count`: to the COUNTth; those on the way are counted, and nothing else.
    """
    once = None if until is None else Breakpoint(0, TEMPORARY, until)
    before, left = session.position, count
    try:
        with session.out.progress("searching", session.end - session.start) as say:
            while True:
                wanted = [*session.breakpoints.enabled, *([once] if once else [])]
                hits = find(session, wanted, say, forwards=forwards)
                if not hits:
                    break
                session.position = hits[0].seq + 1
                left -= _mind(session, hits, before, passing=left > 1)
                if not left:
                    return
    except (KeyboardInterrupt, NtbTraceError):
        session.position = before
        raise
    _at_the_end(session, forwards, until, before, count - left)


def _mind(session: "Session", hits: Sequence[Hit], before: int, passing: bool) -> bool:
    """Count the hits, do what is to be done; whether this is a stop. `before`: the position of the last one; `passing`:
    this one is only counted.
    """
    minded = [hit for hit in hits if hit.breakpoint.hit()]
    stops = [hit for hit in minded if hit.breakpoint.kind != TRACE]
    if minded and not stops:
        session.out.line(event_line(session, minded[0].seq))
    if not passing:
        session.queue[:0] = [text for hit in minded for text in hit.breakpoint.commands]
    for hit in minded:
        if not passing or hit.breakpoint.kind == TRACE:
            _report(session, hit)
        if hit.breakpoint.kind == TEMPORARY and hit.breakpoint.number:
            session.breakpoints.delete(hit.breakpoint.number)
    if stops and not passing:
        position, session.position = session.position, before
        arrive(session, position)
    return bool(stops)


def _report(session: "Session", hit: Hit) -> None:
    one = hit.breakpoint
    if one.number and one.kind != TRACE:
        session.out.line(f"breakpoint {one.number}: {plain(one.stop.text)}")
    if hit.moved is not None:
        target, old, new = hit.moved
        name = target_name(session.registers, target)
        session.out.line(
            f"  {name}: {value_of(session.registers, target, old)} -> {value_of(session.registers, target, new)}"
        )


def _at_the_end(session: "Session", forwards: bool, until: Stop | None, before: int, passed: int) -> None:
    if until is not None:
        session.position = before
        where = "from here on" if forwards else "before here"
        raise NtbTraceError(f"{plain(until.text)}: no such event {where}; still at {told(session)}")
    session.position = before
    if session.trace.blocks and (passed or any(one.kind != TRACE for one in session.breakpoints)):
        stops = f"only {passed:,} stop{'' if passed == 1 else 's'}" if passed else "no breakpoint was hit"
        session.out.line(f"{stops} on the way")
    arrive(session, session.end if forwards else session.start)


def arrive(session: "Session", position: int) -> None:
    """Be at `position` and say what is here."""
    session.stop(position)
    here = session.here
    if here is None:
        session.out.line(
            "at the start: nothing has happened yet" if session.trace.blocks else "the trace has no events"
        )
    else:
        session.out.line(event_line(session, here.seq))
        if session.next_seq(position) is None:
            session.out.line("at the end of the recording")
    show_displays(session, session.displays)


def show_displays(session: "Session", numbers: Iterable[int]) -> None:
    for number in numbers:
        expression = session.displays[number]
        try:
            value = evaluated(session, expression)
        except NtbTraceError as error:  # it does not keep from going on
            value = f"unknown: {error}"
        session.out.line(f"{number}: {plain(expression.text)} = {value}")


def event_line(session: "Session", seq: int) -> str:
    """An event by its number: see line_of."""
    return line_of(session, session.event(seq))


def line_of(session: "Session", event: Event) -> str:
    """An event as `show` has it, compared with what the register really held before, and what decoders say."""
    before = event.seq if event.cause is None or event.kind not in EFFECTS else event.cause
    line = session.renderer(before).line(event)
    said = session.extensions.decode(event)
    return f"{line}  {said}" if said else line


def told(session: "Session") -> str:
    """'event 12', 'the start'."""
    seq = session.previous_seq(session.position)
    return "the start" if seq is None else f"event {seq}"
