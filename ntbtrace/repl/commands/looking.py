# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at events: the one here, those around it, the ports side by side."""

from itertools import islice
from typing import Annotated

from ntbtrace.errors import NtbTraceError
from ntbtrace.render import HEADING
from ntbtrace.repl.arguments import Number, Value
from ntbtrace.repl.commands.moving import effects
from ntbtrace.repl.registry import command
from ntbtrace.repl.run import event_line, line_of
from ntbtrace.repl.session import Session
from ntbtrace.repl.source import SOURCE, Listed, source_of, source_of_here
from ntbtrace.repl.timeline import timeline as draw
from ntbtrace.repl.values import evaluated

GROUP = "looking"
AROUND = 10  # events that list shows
Lines = Annotated[int, Number("COUNT", 1)]


@command(GROUP, "w", "bt", "backtrace")
def where(session: Session) -> None:
    """The event here, decoded, with what caused it and what it caused."""
    here = session.here
    out = session.out
    if here is None:
        out.line("at the start: nothing has happened yet")
        return
    out.line(f"  {HEADING}")
    cause = here.seq if here.cause is None else here.cause
    for seq in [cause, *effects(session, cause)]:
        out.line(f"{'>' if seq == here.seq else ' '} {event_line(session, seq)}")


@command(GROUP, "l")
def list_(session: Session, what: Annotated[int | str, Listed()] = AROUND) -> None:
    """Events around the one here, which is marked; or the source of the guests' code.

    A number is that of events. `list source` shows each line of a guest that led to the event here, a FUNCTION or
    FILE:LINE what stands there; > marks lines that made accesses in this recording. Source text is taken from --source
    directories, or from the guest image's.

    Examples: list, list 30, list source, list idt_init_link, list ntb_perf.c:589
    """
    if isinstance(what, str):
        for line in source_of_here(session) if what == SOURCE else source_of(session, what):
            session.out.line(line)
        return
    _list_events(session, what)


def _list_events(session: Session, count: int) -> None:
    if not session.trace.blocks:
        raise NtbTraceError("the trace has no events")
    session.out.line(f"  {HEADING}")
    here = session.previous_seq(session.position)
    for event in islice(session.trace.events(first_around(session, count)), count):
        session.out.line(f"{'>' if event.seq == here else ' '} {line_of(session, event)}")


def first_around(session: Session, count: int) -> int:
    """Where `count` events begin, those before the one here and those behind it; near the end more of those before."""
    rank = session.rank(session.position) - count // 2 - 1
    return session.ranked(min(rank, session.rank(session.end) - count))


@command(GROUP, "p")
def print_(session: Session, expression: Value) -> None:
    """The value of an expression here: registers and their fields, and the columns of the event.

    Examples: print NTCTL, print 2:NTCTL.CPEN, print value & 0xff, print t - ms(5)
    """
    session.out.line(f"{expression.text} = {evaluated(session, expression)}")


@command(GROUP, "tl")
def timeline(session: Session, count: Lines = 20) -> None:
    """The ports side by side around the event here; arrows are what crossed the bridge."""
    for line in draw(session, islice(session.trace.events(first_around(session, count)), count)):
        session.out.line(line)
