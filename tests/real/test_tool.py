# SPDX-License-Identifier: GPL-2.0-or-later
"""ntb_tool between two VMs: bells, masks, messages, the link, and the bytes of every window, direct and by LUT."""

from collections.abc import Callable
from pathlib import Path

from ntbtrace.event import Event, Kind, Status, port_of
from ntbtrace.trace import open_trace
from tests.real.conftest import Recorded
from tests.support import events

LUT, DIRECT = 2, 4  # the workload's BARs
SIZE = 4096  # of what goes through the direct window
ENTRY = 1024  # the size of a window in the lookup table: 16K in 16 parts, 12 of which are windows
WINDOWS = 13
GREETINGS = {0x5A00_0000 | port << 8 | i for port in (0, 2) for i in range(4)}  # messages that come masked
SECOND = 0x5B00_0002  # one that meets a full register


def test_every_window_carries_the_same_bytes_both_ways(record: Callable[..., Recorded]) -> None:
    recorded = record("tool", "--size", SIZE)
    one, other = recorded.results[0], recorded.results[2]
    assert one["windows"] == other["windows"] == str(WINDOWS)
    assert one["sent"] == other["seen"]
    assert other["sent"] == one["seen"]
    assert one["sent"] != other["sent"]
    for results in (one, other):
        assert {results[what] for what in ("bells", "masks", "messages", "link")} == {"ok"}
    through = {(Kind.MMIO_READ, LUT): 0, (Kind.MMIO_WRITE, LUT): 0, (Kind.MMIO_READ, DIRECT): 0,
               (Kind.MMIO_WRITE, DIRECT): 0}  # fmt: skip
    for event in events(recorded.path):
        if (event.kind, event.bar) in through:
            assert event.status == Status.OK, event
            through[Kind(event.kind), event.bar] += event.size
    guests = 2
    writes = {LUT: guests * (WINDOWS - 1) * ENTRY, DIRECT: guests * SIZE}
    for bar, size in writes.items():
        assert through[Kind.MMIO_WRITE, bar] == size
        assert through[Kind.MMIO_READ, bar] == 2 * size  # what was written, and what the peer had put there
    masks_delay_and_lose_nothing(recorded.path)
    a_full_register_refuses_and_tells_the_sender(recorded.path)


def writes(path: Path, *names: str) -> list[tuple[Event, set[int]]]:
    """The writes of these registers, each with the ports that it interrupted."""
    found: dict[int, tuple[Event, set[int]]] = {}
    with open_trace(path) as trace:
        for event in trace:
            if event.kind == Kind.MMIO_WRITE and trace.registers.name(event.target) in names:
                found[event.seq] = event, set()
            elif event.kind == Kind.IRQ and event.cause in found:
                found[event.cause][1].add(port_of(event.endpoint))
    return list(found.values())


def masks_delay_and_lose_nothing(path: Path) -> None:
    """What comes masked interrupts nobody, and its guest when it is unmasked."""
    rung = writes(path, "OUTDBELLSET")[:2]
    assert {port_of(event.endpoint): interrupted for event, interrupted in rung} == {0: set(), 2: set()}
    unmasked = {port_of(event.endpoint): (event.value, interrupted) for event, interrupted in writes(path, "INDBELLMSK")
                if event.value not in (0, 0xFFFF_FFFF)}  # fmt: skip
    assert unmasked == {port: (0xFFFF_FFFF ^ 1 << port, {port}) for port in (0, 2)}
    sent = [pair for pair in writes(path, *(f"OUTMSG{i}" for i in range(4))) if pair[0].value in GREETINGS]
    assert {event.value for event, _ in sent} == GREETINGS
    assert not [event for event, interrupted in sent if interrupted - {port_of(event.endpoint)}]
    masks = [(port_of(event.endpoint), event.value, interrupted) for event, interrupted in writes(path, "MSGSTSMSK")]
    assert sorted((port, interrupted) for port, value, interrupted in masks if value == 0) == [(0, {0}), (2, {2})]


def a_full_register_refuses_and_tells_the_sender(path: Path) -> None:
    """That it keeps the first message, and that the status clears, the guests check."""
    met = [(event.status, port_of(event.endpoint), interrupted)
           for event, interrupted in writes(path, "OUTMSG0") if event.value == SECOND]  # fmt: skip
    assert met == [(Status.REFUSED, 0, {0}), (Status.REFUSED, 2, {2})]


def test_a_storm_from_both_sides_loses_nothing(record: Callable[..., Recorded]) -> None:
    """The guests check that every message arrives once and in order, and that the last block is in the window."""
    count = 200
    recorded = record("storm", "--count", count)
    assert [results["messages"] for results in recorded.results.values()] == [str(count)] * 2
    blocks: dict[int, int] = {0: 0, 2: 0}
    for event in events(recorded.path):
        if event.kind == Kind.MEM_WRITE:
            blocks[port_of(event.endpoint)] += event.size
    assert blocks == dict.fromkeys((0, 2), count * 256)
