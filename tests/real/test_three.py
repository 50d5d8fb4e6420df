# SPDX-License-Identifier: GPL-2.0-or-later
"""Three guests on one switch: every message says which partition it came from."""

from collections.abc import Callable

from ntbtrace.event import Kind, port_of
from ntbtrace.trace import open_trace
from tests.real.conftest import Recorded

PARTITIONS = {0: 0, 2: 1, 4: 2}  # by port, as the workload's profile has it


def test_messages_and_bells_from_each_to_each(record: Callable[..., Recorded]) -> None:
    recorded = record("three")
    assert recorded.results == {port: {"peers": "2", "bells": "ok", "messages": "ok"} for port in PARTITIONS}
    sources: dict[tuple[int, int], int] = {}  # what INMSGSRCn said, by (reader, register)
    seen = set()
    with open_trace(recorded.path) as trace:
        for event in trace:
            name, port = trace.registers.name(event.target), port_of(event.endpoint)
            if event.kind == Kind.MMIO_READ and name.startswith("INMSGSRC"):
                sources[port, int(name[-1])] = event.value
            elif event.kind == Kind.MMIO_READ and name.startswith("INMSG"):
                assert event.value >> 24 == 0x73
                sender, receiver = event.value >> 8 & 0xFF, event.value & 0xFF
                assert receiver == port
                assert sources[port, int(name[-1])] == PARTITIONS[sender]
                seen.add((sender, receiver))
    assert seen == {(one, other) for one in PARTITIONS for other in PARTITIONS if one != other}
