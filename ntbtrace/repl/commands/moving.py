# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving through the recording, in both directions."""

from typing import Annotated

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.query import Expression
from ntbtrace.query.nodes import Column, Compare, Name, Number
from ntbtrace.repl.arguments import Count, Position, Register, Where, Word
from ntbtrace.repl.breakpoints import Stop
from ntbtrace.repl.place import WORDS
from ntbtrace.repl.registry import command
from ntbtrace.repl.run import arrive, run, told
from ntbtrace.repl.session import Session
from ntbtrace.repl.stops import StopArgument, possible
from ntbtrace.text import plain

GROUP = "moving"
_STOP = StopArgument()


@command(GROUP, "s", repeats=True)
def step(session: Session, count: Count = 1) -> None:
    """Go to the next event, or COUNT events on."""
    _walk(session, count, forwards=True)


@command(GROUP, "rs", repeats=True)
def reverse_step(session: Session, count: Count = 1) -> None:
    """Go back to the event before, or COUNT events back."""
    _walk(session, count, forwards=False)


def _walk(session: Session, count: int, *, forwards: bool) -> None:
    rank = session.rank(session.position)
    position = session.ranked(rank + (count if forwards else -count))
    if session.rank(position) == rank:
        raise NtbTraceError(
            "this is the end of the recording" if forwards else "this is the start: nothing is before it"
        )
    arrive(session, position)


@command(GROUP, "n", repeats=True)
def next_(session: Session, count: Count = 1) -> None:
    """Go to the next event of the same port, or the COUNTth."""
    _same_port(session, count, forwards=True)


@command(GROUP, "rn", repeats=True)
def reverse_next(session: Session, count: Count = 1) -> None:
    """Go back to the last event before of the same port, or the COUNTth."""
    _same_port(session, count, forwards=False)


def _same_port(session: Session, count: int, *, forwards: bool) -> None:
    port = session.port
    condition = Expression(f"port == {port}", Compare("==", Name(Column.PORT), Number(port)))
    here = session.previous_seq(session.position)
    first, last = (session.position, None) if forwards else (session.start, -1 if here is None else here - 1)
    found = None
    for block, rows in session.trace.select(condition, first, last, newest_first=not forwards):
        ordered = rows if forwards else rows[::-1]
        if count <= len(ordered):
            found = block.info.first_seq + int(ordered[count - 1])
            break
        count -= len(ordered)
    if found is None:
        where = "behind" if forwards else "before"
        raise NtbTraceError(f"there are not that many events of port {port} {where} this one")
    arrive(session, found + 1)


@command(GROUP, "c", repeats=True)
def continue_(session: Session, count: Count = 1) -> None:
    """Go on to the next breakpoint (the COUNTth), or to the end."""
    run(session, forwards=True, count=count)


@command(GROUP, "rc", repeats=True)
def reverse_continue(session: Session, count: Count = 1) -> None:
    """Go back to the last breakpoint before (the COUNTth), or to the start."""
    run(session, forwards=False, count=count)


@command(GROUP, "ru", "until", repeats=True)
def run_until(session: Session, expression: Where) -> None:
    """Go on to the next event for which the expression is true, or to a breakpoint before it.

    Example: run-until kind == irq and port == 2
    """
    run(session, forwards=True, until=Stop(expression.text, possible(expression.text, expression.root)))


@command(GROUP)
def goto(session: Session, place: Position) -> None:
    """Go to PLACE: an event, a time, a part of the recording, its start or end, or a bookmark.

    Examples: goto 1200, goto 8.5s, goto 50%, goto end, goto -10 (ten events back)
    """
    arrive(session, place)


@command(GROUP, "nw", repeats=True)
def next_write(session: Session, register: Register) -> None:
    """Go on to the next write of a register, whatever way it takes."""
    run(session, forwards=True, until=_STOP.parse(session, f"write {register.text}"))


@command(GROUP, "pw", repeats=True)
def prev_write(session: Session, register: Register) -> None:
    """Go back to the last write of a register before this event."""
    run(session, forwards=False, until=_STOP.parse(session, f"write {register.text}"))


@command(GROUP)
def up(session: Session) -> None:
    """Go to the event that caused this one: from an interrupt to the access that raised it."""
    here = _here(session)
    if here.cause is None:
        raise NtbTraceError(f"event {here.seq} is no effect: a guest, or a person, did it; `why` knows more")
    session.below = here.seq
    arrive(session, here.cause + 1)


@command(GROUP)
def down(session: Session) -> None:
    """Go to what this event caused; from an effect to the next one.

    After `up` that is the effect from which it came, else the first one.
    """
    here = _here(session)
    cause = here.seq if here.cause is None else here.cause
    seqs = effects(session, cause)
    behind = [seq for seq in seqs if seq > here.seq]
    if here.cause is None and session.below in seqs:
        behind = [session.below]
    if not behind:
        what = "has no effects" if not seqs else f"was the last of what event {cause} caused"
        raise NtbTraceError(f"event {here.seq} {what}")
    arrive(session, behind[0] + 1)


def effects(session: Session, cause: int) -> list[int]:
    """The seqs of what a stimulus caused: they stand behind it, in its block."""
    block = next(info for info in session.trace.blocks if info.first_seq <= cause <= info.last_seq)
    found = []
    for event in session.trace.events(cause + 1, block.last_seq):
        if event.cause != cause:
            break
        found.append(event.seq)
    return found


def _here(session: Session) -> Event:
    here = session.here
    if here is None:
        raise NtbTraceError("at the start there is no event: `step` goes to the first one")
    return here


@command(GROUP)
def bookmark(session: Session, name: Annotated[str, Word("NAME")] = "") -> None:
    """Remember this place as NAME, for goto; without a name, list the bookmarks."""
    if not name:
        for known, position in session.bookmarks.items():
            with session.elsewhere(position):
                session.out.line(f"{plain(known):<16} {told(session)}")
        if not session.bookmarks:
            session.out.line("no bookmarks: `bookmark NAME` sets one here")
        return
    if not name.isidentifier():
        raise NtbTraceError(f"a bookmark's NAME must be a word of letters, digits and _, not {plain(name[:40])!r}")
    if name in WORDS:
        raise NtbTraceError(f"{name} is a place already: choose another NAME")
    session.bookmarks[name] = session.position
    session.out.line(f"{name}: {told(session)}")
