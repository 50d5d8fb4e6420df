# SPDX-License-Identifier: GPL-2.0-or-later
"""why: chains of causes, across the bridge, on recordings of real guests."""

import re
from pathlib import Path

import pytest

from ntbtrace.event import Event, Kind, port_of
from ntbtrace.trace import open_trace
from tests.repl.conftest import Opener
from tests.repl.driver import TRACES, Debugger

GOLDEN = sorted(TRACES.glob("**/*.ntbt"))
FIRST_SIGNAL = 809  # port 0 signals every partition, its own too, before the other guest has booted
THE_PEER_GOES = 1384
EVENT = re.compile(r"by (?:that very )?event ?(\d*)")


def raiser(debugger: Debugger, said: list[str]) -> Event:
    """The event at which the chain ends: the last one that is named as raising something."""
    named = [match for line in said for match in EVENT.finditer(line) if ", the peer's" in line or "its own" in line]
    assert named, said
    cause = debugger.session.event(debugger.here or 0).cause
    assert cause is not None
    return debugger.session.event(int(named[-1][1] or cause))


def test_every_interrupt_of_ping_pong_ends_at_the_peers_write(pingpong: Debugger) -> None:
    irqs = list(pingpong.session.trace.where("kind == irq"))
    assert len(irqs) == 29
    for irq in irqs:
        said = pingpong(f"goto {irq.seq}", "why")[1:]
        if irq.seq == FIRST_SIGNAL:
            continue
        end = raiser(pingpong, said)
        assert port_of(end.endpoint) != port_of(irq.endpoint), said
        if end.seq == THE_PEER_GOES:
            assert end.kind == Kind.DETACH
            continue
        assert end.kind == Kind.MMIO_WRITE
        assert pingpong.session.registers.name(end.target) in ("OUTDBELLSET", "NTGSIGNAL")


def test_an_interrupt_that_no_peer_had_to_do_with_is_not_blamed_on_one(pingpong: Debugger) -> None:
    trace = pingpong.session.trace
    assert not list(trace.where(f"seq < {FIRST_SIGNAL} and kind == irq"))
    said = pingpong(f"goto {FIRST_SIGNAL}", "why")
    assert "its own guest's" in said[-2]
    assert said[-1] == "nothing but its own doing had interrupted the guest at port 0 before: it began"


def test_an_event_that_wakes_both_ports_is_told_from_each_side(pingpong: Debugger) -> None:
    assert pingpong("goto 971", "why")[-1] == "  set by that very event, the peer's, at port 2"
    said = pingpong("goto 972", "why")
    assert said[-3] == "  set by that very event, its own guest's"
    assert said[-2].startswith("the guest at port 2 had been interrupted by event 950, 0.025048 s before event 970")
    assert said[-1].split()[0] == "808"


def test_a_guests_own_interrupts_are_passed_by(opened: Opener) -> None:
    storm = opened(TRACES / "storm.ntbt")
    said = storm("goto 1208", "why")
    assert said[-3] == "  set by that very event, its own guest's", "its message was refused"
    own = {1191, 1200}
    assert not own & {int(number) for number in re.findall(r"event (\d+)", said[-2])}
    assert raiser(storm, said).endpoint == 16


def test_an_interrupt_that_was_masked_names_who_raised_it_and_who_let_it_through(pingpong: Debugger) -> None:
    said = pingpong("goto 1053", "why")
    assert "1052" in said[1]
    assert "INDBELLMSK" in said[3 - 1] or "INDBELLMSK" in said[3]
    assert said[-1].split()[0] == "1041"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_never_fails(opened: Opener, path: Path) -> None:
    debugger = opened(path)
    with open_trace(path) as trace:
        irqs = [event.seq for event in trace.where("kind == irq")][::3]
        refused = [event.seq for event in trace.where("status != ok")][:20]
    seqs = sorted({*irqs, *refused, *range(debugger.session.start, debugger.session.end, 97)})
    for seq in seqs[:: max(1, len(seqs) // 60)]:
        said = debugger(f"goto {seq}", "why")
        assert len(said) >= 2
        assert not [line for line in said if line.startswith("error:")], said
