# SPDX-License-Identifier: GPL-2.0-or-later
"""info: the trace, the switch and the debugger itself, a topic each."""

from collections import Counter
from typing import Any

from ntbtrace.event import SWITCH_OWNER
from ntbtrace.render import kind_name, seconds
from ntbtrace.repl.arguments import TopicName
from ntbtrace.repl.commands.causes import first_divergence
from ntbtrace.repl.commands.stopping import breakpoint_lines, display
from ntbtrace.repl.divergence import describe
from ntbtrace.repl.registry import COMMANDS, TOPICS, command, topic
from ntbtrace.repl.run import told
from ntbtrace.repl.session import Output, Session
from ntbtrace.text import plain

GROUP = "looking"
MOST_UNTOUCHED = 40  # names of registers that coverage lists


@command(GROUP, "i")
def info(session: Session, name: TopicName = "") -> None:
    """What is known about a topic; without one, all topics."""
    if not name:
        for one in TOPICS.commands.values():
            session.out.line(f"info {one.name:<12} {one.brief}")
        return
    word, _, rest = name.partition(" ")
    TOPICS.find(word).run(session, rest)


@topic
def trace(session: Session) -> None:
    """What was recorded: file, command, duration, counts by kind."""
    trace, out = session.trace, session.out
    header, blocks = trace.header, trace.blocks
    ends = "closed cleanly" if trace.closed else "salvaged" if trace.salvaged else "not closed"
    out.line(f"{plain(str(trace.path))}: format {trace.format_version}, model {header.model_version}, {ends}")
    out.line(f"recorded by {plain(header.tool)}: {plain(header.command)}")
    duration = blocks[-1].last_t - blocks[0].first_t if blocks else 0
    several = "block" if len(blocks) == 1 else "blocks"
    out.line(f"{len(trace):,} events in {seconds(duration)} s, {len(blocks)} {several}; you are at {told(session)}")
    kinds: Counter[int] = Counter()
    for block in blocks:
        kinds.update(block.counts)
    for kind, count in sorted(kinds.items()):
        out.line(f"  {kind_name(kind):<12} {count:,}")


@topic
def profile(session: Session) -> None:
    """The switch: chip, ports, partitions, BARs, how each guest is attached."""
    header, out = session.trace.header, session.out
    for one in header.merged:
        out.line(f"merged from {plain(one.file)}:")
        _profile(out, one.header.get("profile", {}), one.header.get("transports", {}), one.ports)
    if not header.merged:
        _profile(out, header.profile, header.transports, {})


def _profile(out: Output, profile: dict[str, Any], transports: dict[str, Any], renamed: dict[str, Any]) -> None:
    """A switch's; `renamed`: its port numbers to those in a merged trace."""
    out.line(f"chip {plain(str(profile.get('chip', 'unknown')))}")
    for port in profile.get("port", ()):
        number = str(port.get("number"))
        bars = ", ".join(f"{plain(str(bar))} {_size(size)}" for bar, size in port.get("bars", {}).items())
        more = ", a DMA engine" if port.get("dma") else ""
        way = plain(str(transports.get(number, "?")))
        name = plain(str(renamed.get(number, number)))
        out.line(f"port {name}: partition {plain(str(port.get('partition')))}, {way}, {bars}{more}")


def _size(size: object) -> str:
    if isinstance(size, dict):
        return f"{size.get('type')} {_size(size.get('size'))} {size.get('width')}-bit"
    return f"{size:#x}" if isinstance(size, int) else plain(str(size))


@topic
def links(session: Session) -> None:
    """Each port's side of the bridge: up or not, and what decides it."""
    for link in session.device().links():
        session.out.line(f"port {link.port} (partition {link.partition}): {'up' if link.up else 'down'}")
        for one in link.conditions:
            state = "yes" if one.met else f"no: {one.otherwise}"
            session.out.line(f"  {one.name:<14} {state:<44} {_place(session, one.target, one.field)}")


def _place(session: Session, target: int, field: str) -> str:
    owner = "" if target >> 24 == SWITCH_OWNER else f"{target >> 24}:"
    return f"{owner}{plain(session.registers.name(target))}.{field}"


@topic
def windows(session: Session) -> None:
    """Each port's memory windows: where they lead, and what is in the way."""
    switch = session.device()
    for bar in switch.windows():
        what = f"{bar.type}, " if bar.type else "off, "
        session.out.line(
            f"port {bar.port} BAR{bar.bar}: {what}{bar.size:#x} bytes at {bar.address:#x}, {bar.width}-bit"
        )
        for one in bar.apertures:
            if one.entry is not None and not one.size:
                continue
            entry = "" if one.entry is None else f"entry {one.entry}: "
            limit = "" if one.limit is None else f", limit {one.limit:#x}"
            peer = f"port {one.peer}" if one.peer is not None else "nobody"
            leads = f": {one.size:#x} bytes to partition {one.partition} ({peer}) at {one.address:#x}{limit}"
            session.out.line(f"  {entry}{'open' if one.open else 'closed'}{leads if one.size else ''}")
            if not one.open:
                for obstacle in switch.obstacles(bar.port, bar.bar, one.start, 4):
                    session.out.line(f"    {obstacle.text}")


@topic
def interrupts(session: Session) -> None:
    """Each function's interrupt: mode, enabled or not, which causes are up, masked, told."""
    for one in session.device().interrupts():
        name = f"port {one.port}" if not one.function else f"port {one.port}.{one.function}"
        unmet = "; ".join(condition.otherwise for condition in one.conditions if not condition.met)
        session.out.line(f"{name}: {one.mode.name}, {'enabled' if one.enabled else f'off: {unmet}'}")
        for cause in one.causes:
            words = [
                word
                for word, holds in (("up", cause.status), ("masked", cause.masked), ("told", cause.pending))
                if holds
            ]
            session.out.line(f"  {cause.name:<12} {', '.join(words) or 'quiet'}")
        for source in session.device().sources(one.port, one.function):
            session.out.line(
                f"  held up by {_place(session, source.target, '')[:-1]} {source.mask:#x} ({source.cause})"
            )


@topic
def coverage(session: Session) -> None:
    """Which of the registers the guests touched, and which never."""
    touched = {target & 0xFF_FFFF for block in session.trace.blocks for target in block.targets}
    rows = {session.registers.name(number): number in touched for number in session.registers.ids()}
    count = sum(rows.values())
    session.out.line(f"{count} of {len(rows)} registers were touched")
    never = [plain(name) for name, was in rows.items() if not was]
    shown, more = never[:MOST_UNTOUCHED], len(never) - MOST_UNTOUCHED
    if shown:
        session.out.line(f"never: {' '.join(shown)}{f' and {more} more' if more > 0 else ''}")


TOPICS.add(COMMANDS.commands["registers"])  # where users of gdb look for it


@topic
def breakpoints(session: Session) -> None:
    """Breakpoints: what they wait for, how often they were hit."""
    for line in breakpoint_lines(session):
        session.out.line(line)


@topic
def displays(session: Session) -> None:
    """What is printed at every stop."""
    display(session)


@topic
def replay(session: Session) -> None:
    """Whether the whole recording replays identical, and where not."""
    found = first_divergence(session)
    if found is None:
        session.out.line(f"identical: all {len(session.trace):,} events replay as they were recorded")
        return
    for line in describe(session.trace, found):
        session.out.line(line)
