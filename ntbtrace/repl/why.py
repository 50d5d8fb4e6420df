# SPDX-License-Identifier: GPL-2.0-or-later
"""Why: the chain of causes of an event or of what a register holds, across the bridge, to the guest that began it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from device.views import Source
from ntbtrace.decode import READS, covered, field_value
from ntbtrace.event import ACCESSES, EFFECTS, NO_ENDPOINT, Event, Kind, Status, function_of, port_of
from ntbtrace.query import Expression
from ntbtrace.query.nodes import Column, Compare, Logic, Name, Number
from ntbtrace.render import named, seconds
from ntbtrace.repl.run import event_line
from ntbtrace.repl.values import target_name, value_of
from ntbtrace.replay.history import changes
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

WORD = 0xFFFF_FFFF
INDENT = "  "
MOST_LINKS = 50  # of a guest's own interrupts that are gone back along
Change = tuple[Event, int, int]  # what moved a register, from, to


def why_event(session: "Session", event: Event) -> Iterator[str]:
    """The lines that explain an event."""
    yield event_line(session, event.seq)
    if event.kind in EFFECTS and event.cause is not None:
        yield f"caused by event {event.cause}:"
        yield f"{INDENT}{event_line(session, event.cause)}"
        cause = session.event(event.cause)
        if event.kind == Kind.IRQ:
            yield from _interrupt(session, event, cause)
        else:
            yield from _passed(session, cause)
            yield from _guest(session, cause)
        return
    if event.kind not in ACCESSES:
        yield "nothing in the switch caused it: it came from outside"
        return
    if event.status != Status.OK:
        yield from _refused(session, event)
    elif event.kind in READS and event.target:
        for field in covered(event, session.registers):
            if field_value(field, event.value << 8 * (event.offset % 4)):
                yield from _since(session, event.target, ((1 << field.width) - 1) << field.lsb, event.seq)
    yield from _guest(session, event)


def why_register(session: "Session", target: int, mask: int) -> Iterator[str]:
    """The lines that explain what bits of a register hold at the session's position."""
    yield from _since(session, target, mask, session.position)


def _interrupt(session: "Session", irq: Event, cause: Event) -> Iterator[str]:
    """Which bits raised the interrupt, and who raised them; of a guest that woke itself, what had woken it."""
    key = port_of(irq.endpoint), function_of(irq.endpoint)
    sources = _sources(session, irq, cause)
    own: Event | None = None
    for source, mask in sources:
        name = target_name(session.registers, source.target)
        raised = _raised(session, source.target, mask, cause.seq)
        own = own or _own(raised, irq)
        yield f"port {key[0]} is interrupted by {_bits(session, source.target, mask)} of {name} (cause {source.cause})"
        if raised is None:
            yield f"{INDENT}they were set when the recording began"
        elif raised[0].seq == cause.seq:
            yield f"{INDENT}set by that very event, {_whose(raised[0], key[0])}"
        else:
            yield f"{INDENT}set before, and told now; by event {raised[0].seq}, {_whose(raised[0], key[0])}:"
            yield f"{INDENT}{INDENT}{event_line(session, raised[0].seq)}"
    if not sources:
        yield "the line went down: nothing interrupts any more"
    if own is not None and not key[1]:  # an engine is its own guest's
        yield from _woken(session, own)


def _sources(session: "Session", irq: Event, cause: Event) -> list[tuple[Source, int]]:
    """What holds the interrupt up, and which bits of it: those that rose at its cause, or, if none did, all."""
    key = port_of(irq.endpoint), function_of(irq.endpoint)
    before = {(one.cause, one.target): one.mask for one in session.device(cause.seq).sources(*key)}
    held = session.device(cause.seq + 1).sources(*key)
    risen = [(one, fresh) for one in held if (fresh := one.mask & ~before.get((one.cause, one.target), 0))]
    return risen or [(one, one.mask) for one in held]


def _own(raised: Change | None, irq: Event) -> Event | None:
    """The event that raised the bits, if it was of the very guest that was interrupted."""
    return raised[0] if raised is not None and raised[0].endpoint == irq.endpoint else None


def _woken(session: "Session", own: Event) -> Iterator[str]:
    """What had last interrupted, and was not its own doing, the guest that did `own`."""
    port, last = port_of(own.endpoint), own
    for _ in range(MOST_LINKS):
        irq = _interrupted(session, last)
        if irq is None or irq.cause is None:
            yield f"nothing but its own doing had interrupted the guest at port {port} before: it began"
            return
        sources = _sources(session, irq, session.event(irq.cause))
        raised = [one for source, mask in sources if (one := _raised(session, source.target, mask, irq.cause))]
        other = next((one[0] for one in raised if _own(one, irq) is None), None)
        if other is not None:
            yield (
                f"the guest at port {port} had been interrupted by event {irq.seq}, {seconds(own.t - irq.t)} s before "
                f"event {own.seq}; by event {other.seq}, {_whose(other, port)}:"
            )
            yield f"{INDENT}{event_line(session, other.seq)}"
            return
        last = irq
    yield f"its own doing had interrupted the guest at port {port} {MOST_LINKS} times and more before"


def _raised(session: "Session", target: int, mask: int, last: int) -> Change | None:
    """The last event up to `last` at which one of the bits rose."""
    for event, old, new in _changes(session, target, mask, last):
        if new & ~old & mask:
            return event, old, new
    return None


def _changes(session: "Session", target: int, mask: int, last: int) -> Iterator[Change]:
    return changes(session.trace, target, mask, session.start, last, newest_first=True)


def _bits(session: "Session", target: int, mask: int) -> str:
    names = [
        plain(field.name) if field.width == 1 else f"{plain(field.name)} {field_value(field, mask):#x}"
        for field in session.registers.fields(target)
        if field_value(field, mask)
    ]
    return ", ".join(names) or f"{mask:#x}"


def _whose(event: Event, port: int) -> str:
    if event.endpoint == NO_ENDPOINT:
        return "not a guest's"
    other = port_of(event.endpoint)
    return f"the peer's, at port {other}" if other != port else "its own guest's"


def _since(session: "Session", target: int, mask: int, position: int) -> Iterator[str]:
    """Since when bits of a register hold what they do, and who made them."""
    with session.elsewhere(position):
        value = session.device().peek(target)
    name = target_name(session.registers, target)
    if value is None:
        yield f"this switch does not have {name}"
        return
    fields = [f for f in session.registers.fields(target) if ((1 << f.width) - 1) << f.lsb & mask]
    said = " ".join(f"{plain(f.name)}={named(field_value(f, value), f.values)}" for f in fields) if mask != WORD else ""
    told = f"{name} {said}" if said else f"{name} holds {value_of(session.registers, target, value)}"
    found = next(_changes(session, target, mask, position - 1), None)
    if found is None:
        unproven = [plain(f.name) for f in fields if f.reset is None]
        doubt = f" (unproven for {', '.join(unproven)})" if unproven else ""
        since = f"as after reset{doubt}" if session.start == 0 else "as where this part of a recording begins"
        yield f"{told}: {since}; nothing has changed it"
        return
    yield f"{told} since event {found[0].seq}:"
    yield f"{INDENT}{event_line(session, found[0].seq)}"


def _refused(session: "Session", event: Event) -> Iterator[str]:
    """What was in the way of an access, and since when."""
    switch = session.device(event.seq)
    found = switch.refusals(event.target, event.value)
    if not found and event.kind in (Kind.MMIO_READ, Kind.MMIO_WRITE) and not function_of(event.endpoint):
        found = switch.obstacles(port_of(event.endpoint), event.bar, event.offset, event.size)
    for obstacle in found:
        yield f"in its way: {obstacle.text}"
        if obstacle.target:
            mask = next(
                (
                    ((1 << f.width) - 1) << f.lsb
                    for f in session.registers.fields(obstacle.target)
                    if f.name == obstacle.field
                ),
                WORD,
            )
            for line in _since(session, obstacle.target, mask, event.seq):
                yield f"{INDENT}{line}"


def _passed(session: "Session", cause: Event) -> Iterator[str]:
    """Through which window a memory access came."""
    if cause.kind not in (Kind.MMIO_READ, Kind.MMIO_WRITE):
        return
    for bar in session.device(cause.seq).windows():
        if (bar.port, bar.bar) != (port_of(cause.endpoint), cause.bar):
            continue
        for one in bar.apertures:
            if one.start <= cause.offset < one.start + one.size:
                entry = "" if one.entry is None else f", entry {one.entry} of its lookup table,"
                yield (
                    f"through BAR{bar.bar} of port {bar.port}{entry} which leads to port {one.peer}'s memory at "
                    f"{one.address:#x}"
                )


def _guest(session: "Session", event: Event) -> Iterator[str]:
    """Nothing in the switch caused an access; what its guest was told last may have."""
    if event.endpoint == NO_ENDPOINT:
        return
    yield f"the guest at port {port_of(event.endpoint)} did it"
    irq = _interrupted(session, event)
    if irq is not None:
        yield f"{INDENT}it was interrupted last by event {irq.seq}, {seconds(event.t - irq.t)} s before"


def _interrupted(session: "Session", event: Event) -> Event | None:
    """The last interrupt before an event at its port."""
    interrupts = Expression("", Logic("and", (
        Compare("==", Name(Column.KIND), Number(int(Kind.IRQ))),
        Compare("==", Name(Column.PORT), Number(port_of(event.endpoint))),
    )))  # fmt: skip
    for block, rows in session.trace.select(interrupts, session.start, event.seq - 1, newest_first=True):
        return next(block.events_at(rows[-1:]))
    return None
