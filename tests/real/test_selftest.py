# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own ntb_test.sh, in loopback: two ports of one switch in one guest."""

from collections.abc import Callable

from ntbtrace.event import Kind, port_of
from tests.real.conftest import Recorded
from tests.support import events

ROUNDS = 5
PASSES = 14  # of a round: port, 2 link, 2 doorbell, 2 message, 4 window, ping-pong, 2 perf


def test_it_passes_five_times_in_one_boot(record: Callable[..., Recorded]) -> None:
    recorded = record("selftest", "--count", ROUNDS)
    assert recorded.results == {0: {"rounds": str(ROUNDS), "passed": str(ROUNDS * PASSES)}}
    attached = [port_of(event.endpoint) for event in events(recorded.path) if event.kind == Kind.ATTACH]
    assert attached == [0, 2]
