# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints, watchpoints, tracepoints, and what is shown at every stop."""

from typing import Annotated

from ntbtrace.errors import NtbTraceError
from ntbtrace.repl.arguments import BreakpointNumber, Number, Value
from ntbtrace.repl.breakpoints import Breakpoint, Stop
from ntbtrace.repl.registry import COMMANDS, command
from ntbtrace.repl.run import TEMPORARY, TRACE, show_displays
from ntbtrace.repl.session import Session
from ntbtrace.repl.stops import StopArgument, absent, nearest
from ntbtrace.repl.values import evaluated
from ntbtrace.text import plain

GROUP = "breakpoints"
Waited = Annotated[Stop, StopArgument()]
Watched = Annotated[Stop, StopArgument(watching=True)]


@command(GROUP, "b")
def break_(session: Session, what: Waited) -> None:
    """Stop, in either direction, at what is described.

    write|read|access REG[.FIELD]   accesses of a register, whatever way they take
    change REG[.FIELD]              what it holds becomes another value, whoever did it
    irq                             interrupts
    message [N]                     messages sent (through register N)
    window [BARn]                   accesses through a memory window
    mem [read|access] ADDRESS [len BYTES]   guest memory
    at FUNCTION|FILE:LINE           accesses by this code of a guest (record --guest-pc)
    EXPR                            any event for which the expression is true

    Each takes port=PORT, and `if EXPR`, in which old and new are what the register held before and holds after the
    event, and $REG is what any register holds.

    Examples: break write OUTDBELLSET if value & 0x3 and port == 0
              break change 2:NTCTL.CPEN
              break write BARSETUP2 if value.TPART != old.TPART
              break mem port=2 0x4b00000 len 64
              break at ntb_hw_idt.c:774 if port == 2
    """
    _set(session, "break", what)


@command(GROUP, "tb")
def tbreak(session: Session, what: Waited) -> None:
    """Stop there once: as `break`, and gone after it was hit."""
    _set(session, TEMPORARY, what)


@command(GROUP)
def watch(session: Session, what: Watched) -> None:
    """Stop when what a register holds changes, or guest memory is written.

    Examples: watch NTCTL.CPEN, watch mem port=2 0x4b00000 len 64
    """
    _set(session, "break", what)


@command(GROUP)
def trace(session: Session, what: Waited) -> None:
    """Print each such event while running, and go on: as `break` otherwise.

    Example: trace kind == irq and port == 2
    """
    _set(session, TRACE, what)


def _set(session: Session, kind: str, what: Stop) -> None:
    one = session.breakpoints.add(kind, what)
    session.out.line(f"breakpoint {one.number}: {_describe(one)}")
    if absent(what, session):
        session.out.line("  no event of this recording can match it" + nearest(what, session))


def _describe(one: Breakpoint) -> str:
    kind = "" if one.kind == "break" else f"{one.kind} "
    return f"{kind}{plain(one.stop.text)}"


def breakpoint_lines(session: Session) -> list[str]:
    lines = []
    for one in session.breakpoints:
        state = "" if one.enabled else ", disabled"
        ignored = f", the next {one.ignore} ignored" if one.ignore else ""
        lines.append(
            f"{one.number:>3}  {_describe(one)}  ({one.hits} hit{'' if one.hits == 1 else 's'}{ignored}{state})"
        )
        lines += [f"       {plain(text)}" for text in one.commands]
    return lines or ["no breakpoints: `break` sets one"]


@command(GROUP, "d")
def delete(session: Session, number: BreakpointNumber | None = None) -> None:
    """Remove breakpoint NUMBER, or all of them."""
    if number is None:
        session.breakpoints.clear()
    else:
        session.breakpoints.delete(number)


@command(GROUP)
def enable(session: Session, number: BreakpointNumber | None = None) -> None:
    """Let breakpoint NUMBER (all) stop again."""
    _able(session, number, True)


@command(GROUP)
def disable(session: Session, number: BreakpointNumber | None = None) -> None:
    """Keep breakpoint NUMBER (all), but do not stop there."""
    _able(session, number, False)


def _able(session: Session, number: int | None, enabled: bool) -> None:
    for one in session.breakpoints if number is None else [session.breakpoints.get(number)]:
        one.enabled = enabled


@command(GROUP)
def ignore(session: Session, number: BreakpointNumber, count: Annotated[int, Number("COUNT")]) -> None:
    """Pass by the next COUNT hits of breakpoint NUMBER; they are counted."""
    session.breakpoints.get(number).ignore = count


@command(GROUP)
def commands(session: Session, number: BreakpointNumber | None = None) -> None:
    """Take lines up to `end`: commands to carry out at each hit of breakpoint NUMBER (the newest).

    Example: commands 1
             registers 2 NTINT
             continue
             end
    """
    if number is None:
        number = max((one.number for one in session.breakpoints), default=None)
        if number is None:
            raise NtbTraceError("there is no breakpoint: `break` sets one")
    one = session.breakpoints.get(number)
    if one.kind == TRACE:
        raise NtbTraceError(
            f"breakpoint {number} does not stop: set one with `break`, whose last command is `continue`"
        )
    lines: list[str] = []
    while (line := session.ask("> ")) is not None and line.strip() != "end":
        lines.append(line.strip())
    if line is None:
        raise NtbTraceError("commands needs a line `end` at its end")
    for text in lines:
        word = text.partition(" ")[0]
        if word and COMMANDS.find(word).name == "commands":
            raise NtbTraceError("a breakpoint's commands cannot have commands of their own: give the other ones before")
    one.commands = [text for text in lines if text]


@command(GROUP)
def display(session: Session, expression: Value | None = None) -> None:
    """Print the expression at every stop; without one, print all of them now.

    Example: display 2:NTCTL.CPEN
    """
    if expression is not None:
        evaluated(session, expression)  # one that never has a value is refused
        number = max(session.displays, default=0) + 1
        session.displays[number] = expression
        show_displays(session, [number])
    elif session.displays:
        show_displays(session, session.displays)
    else:
        session.out.line("nothing is displayed: `display EXPR` does it")


@command(GROUP)
def undisplay(session: Session, number: BreakpointNumber | None = None) -> None:
    """Stop printing expression NUMBER, or all of them."""
    if number is None:
        session.displays.clear()
    elif session.displays.pop(number, None) is None:
        raise NtbTraceError(
            f"there is no display {number}: there are {', '.join(map(str, session.displays)) or 'none'}"
        )
