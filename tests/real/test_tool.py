# SPDX-License-Identifier: GPL-2.0-or-later
"""ntb_tool between two VMs: bells, masks, messages, the link, and the bytes of every window, direct and by LUT."""

from collections.abc import Callable

from ntbtrace.event import Kind, Status, port_of
from tests.real.conftest import Recorded
from tests.support import events

LUT, DIRECT = 2, 4  # the workload's BARs
SIZE = 4096  # of what goes through the direct window
ENTRY = 1024  # the size of a window in the lookup table: 16K in 16 parts, 12 of which are windows
WINDOWS = 13


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
