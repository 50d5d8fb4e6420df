# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at events: the one here, those around it, the ports side by side."""

from itertools import islice
from typing import Annotated

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.render import HEADING
from ntbtrace.repl.arguments import Number, Value
from ntbtrace.repl.commands.moving import effects
from ntbtrace.repl.registry import command
from ntbtrace.repl.run import event_line
from ntbtrace.repl.session import Session
from ntbtrace.repl.timeline import timeline as draw
from ntbtrace.repl.values import evaluated

GROUP = "looking"
AROUND = 10  # events that list shows
Lines = Annotated[int, Number("COUNT", 1)]


@command(GROUP, "w", "bt")
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
def list_(session: Session, count: Lines = AROUND) -> None:
    """COUNT events around the one here, which is marked."""
    events = around(session, count)
    if not events:
        raise NtbTraceError("the trace has no events")
    session.out.line(f"  {HEADING}")
    here = session.previous_seq(session.position)
    renderer = session.renderer(events[0].seq)
    for event in events:
        said = session.extensions.decode(event, session.registers)
        session.out.line(f"{'>' if event.seq == here else ' '} {renderer.line(event)}{'  ' + said if said else ''}")


def around(session: Session, count: int) -> list[Event]:
    """`count` events, those before the one here and those behind it; near the end more of those before."""
    first = _back(session, session.position, count // 2 + 1)
    found = list(islice(session.trace.events(first), count))
    if len(found) < count:
        found = list(islice(session.trace.events(_back(session, first, count - len(found))), count))
    return found


def _back(session: Session, position: int, count: int) -> int:
    """The position `count` events before this one, or the start."""
    for _ in range(count):
        before = session.previous_seq(position)
        if before is None:
            break
        position = before
    return position


@command(GROUP, "p")
def print_(session: Session, expression: Value) -> None:
    """The value of an expression here: registers and their fields, and the columns of the event.

    Examples: print NTCTL, print 2:NTCTL.CPEN, print value & 0xff, print t - ms(5)
    """
    session.out.line(f"{expression.text} = {evaluated(session, expression)}")


@command(GROUP, "tl")
def timeline(session: Session, count: Lines = 20) -> None:
    """The ports side by side around the event here; arrows are what crossed the bridge."""
    for line in draw(session, around(session, count)):
        session.out.line(line)
