# SPDX-License-Identifier: GPL-2.0-or-later
"""Two Linux guests play ntb_pingpong through the switch; a guest's own mmiotrace is the witness."""

import re
from pathlib import Path

import pytest

from ntbtrace.event import Event, Kind, port_of
from ntbtrace.trace import open_trace
from tests.real.conftest import Run

COUNT = 5


@pytest.fixture(scope="module")
def pingpong(guest_image: object, cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of ping-pong, with mmiotrace on in both guests."""
    path = tmp_path_factory.mktemp("pingpong") / "pingpong.ntbt"
    words = ["--workload", "pingpong", "--count", COUNT, "--append", "ntbtrace.mmiotrace=1"]
    done = cli("record", "--guests", "qemu", "-o", path, *words, timeout=360)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = [int(count) for count in re.findall(r"count=(\d+)", done.stdout)]
    assert len(counts) == 2
    assert min(counts) >= COUNT, done.stdout
    return path


def test_it_replays_identical(pingpong: Path, cli: Run) -> None:
    done = cli("replay", pingpong)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout


def test_bells_and_interrupts_are_in_the_trace(pingpong: Path) -> None:
    with open_trace(pingpong) as trace:
        assert trace.closed
        # an interrupt comes with a bell, or when a bell is unmasked
        writes: dict[str, set[int]] = {"OUTDBELLSET": set(), "INDBELLMSK": set()}
        rung = set()
        for event in trace:
            name = trace.registers.name(event.target)
            if event.kind == Kind.MMIO_WRITE and name in writes:
                writes[name].add(event.seq)
                rung |= {port_of(event.endpoint)} if name == "OUTDBELLSET" else set()
        causes = [event.cause for event in trace if event.kind == Kind.IRQ]
    assert rung == {0, 2}
    assert writes["OUTDBELLSET"] & set(causes), (
        "some bell found its guest waiting; how many is a matter of their timing"
    )
    assert sum(cause in writes["OUTDBELLSET"] | writes["INDBELLMSK"] for cause in causes) >= 2 * COUNT - 1


# mmiotrace: "R 4 TIMESTAMP MAPID PHYSICAL VALUE PC PID", "W ..." the same (Documentation/trace/mmiotrace.rst)
ACCESS = re.compile(rb"^([RW]) (\d+) [\d.]+ \d+ 0x([0-9a-f]+) 0x([0-9a-f]+) ")


def _witness(lines: list[bytes], base: int, size: int) -> list[tuple[str, int, int, int]]:
    """What the guest's kernel saw: (direction, offset in BAR0, width, value)."""
    found = []
    for line in lines:
        match = ACCESS.match(line)
        if match:
            offset = int(match[3], 16) - base
            if 0 <= offset < size:
                found.append((match[1].decode(), offset, int(match[2]), int(match[4], 16)))
    return found


def _recorded(events: list[Event]) -> list[tuple[str, int, int, int]]:
    kinds = {Kind.MMIO_READ: "R", Kind.MMIO_WRITE: "W"}
    return [(kinds[Kind(e.kind)], e.offset, e.size, e.value) for e in events if e.kind in kinds and e.bar == 0]


def _bar0(events: list[Event]) -> int:
    """BAR0's address, as the guest programmed it last."""
    writes = [e.value for e in events if e.kind == Kind.CFG_WRITE and e.offset == 0x10 and e.size == 4]
    return next(value for value in reversed(writes) if value not in (0, 0xFFFF_FFFF)) & ~0xF


@pytest.mark.parametrize("port", [0, 2])
def test_the_trace_holds_what_the_guests_own_mmiotrace_saw(pingpong: Path, port: int) -> None:
    with open_trace(pingpong) as trace:
        events = [event for event in trace if port_of(event.endpoint) == port]
    console = [event.data or b"" for event in events if event.kind == Kind.CONSOLE]
    begin = console.index(b"ntbtrace: mmiotrace begin")
    end = next(i for i, line in enumerate(console) if line.startswith(b"ntbtrace: mmiotrace end"))
    witness = _witness(console[begin:end], _bar0(events), 4096)
    recorded = _recorded(events)
    assert len(witness) > 150
    # The guest's log is one stretch of the trace: it was switched on before the driver and off before the end.
    stretches = range(len(recorded) - len(witness) + 1)
    assert any(recorded[first : first + len(witness)] == witness for first in stretches)
