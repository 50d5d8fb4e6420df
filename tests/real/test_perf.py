# SPDX-License-Identifier: GPL-2.0-or-later
"""ntb_perf between real guests: the stock one writes into a closed window, the fixed one's bytes arrive."""

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ntbtrace.capture.guests.qemu import qmp_name
from ntbtrace.event import Event, Kind, Status, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run, no_oops, replays
from tests.support import events, rewrite

SIZE = 1 << 20
REGISTERS_BAR = 0


def _window_writes(trace: list[Event]) -> list[Event]:
    return [e for e in trace if e.kind == Kind.MMIO_WRITE and e.bar != REGISTERS_BAR and e.bar < 6]


def test_stock_perf_reports_and_the_trace_shows_the_closed_window(
    guest_image: object, cli: Run, tmp_path: Path
) -> None:
    path = tmp_path / "perf.ntbt"
    words = ["--workload", "perf", "--size", SIZE]
    done = cli("record", "--guests", "qemu", "-o", path, *words, timeout=360)
    assert done.returncode == 0, done.stdout + done.stderr
    with open_trace(path) as trace:
        writes = _window_writes(list(trace))
        assert not any(event.kind == Kind.MEM_WRITE for event in trace)
    assert len(writes) >= SIZE // 4
    assert {event.status for event in writes} <= {Status.CLOSED, Status.LIMIT}
    stats = cli("stats", path)
    assert re.search(rf"^closed +{SIZE // 4:,} +0$", stats.stdout, re.MULTILINE), stats.stdout
    assert f"\nrefused\n  port 0 BAR{writes[0].bar} window: {SIZE // 4:,} writes closed\n" in stats.stdout
    shown = cli("show", path, "--from", writes[0].seq, "--limit", 1)
    assert Status(writes[0].status).name.lower() in shown.stdout
    no_oops(path)
    replays(path, cli)


class Qmp:
    """As little of the QEMU Machine Protocol as one test needs (docs/interop/qmp-spec.txt)."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: object) -> None:
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while "return" not in (answer := json.loads(self._file.readline())):
            assert "error" not in answer, answer


def test_fixed_perf_fills_the_peers_memory(start: Callable[..., Recording], cli: Run, tmp_path: Path) -> None:
    """The bytes that port 0 wrote are in the RAM of port 2, as that guest's own QEMU shows it."""
    recording = start("fixed.ntbt", "--workload", "perf-fixed", "--size", str(SIZE), "--append", "ntbtrace.stay=1")
    deadline = time.monotonic() + 240
    memory: dict[int, bytes] = {}
    wait_for_file(recording, deadline)
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        if event.kind == Kind.MEM_WRITE and port_of(event.endpoint) == 2:
            memory[event.offset] = event.value.to_bytes(event.size, "little")
        if event.kind == Kind.CONSOLE and port_of(event.endpoint) == 0 and event.data == b"ntbtrace: stay":
            break
    assert sum(map(len, memory.values())) >= SIZE
    low, high = min(memory), max(memory) + 4
    dump = tmp_path / "ram"
    Qmp(recording.rundir / qmp_name(2))("pmemsave", val=low, size=high - low, filename=str(dump))
    ram = dump.read_bytes()
    wrong = [hex(at) for at, data in memory.items() if ram[at - low : at - low + len(data)] != data]
    assert not wrong
    recording.process.terminate()
    recording.process.communicate(timeout=60)
    no_oops(recording.path)
    replays(recording.path, cli)
    one_changed_byte_is_found(recording.path, cli, tmp_path)


def one_changed_byte_is_found(path: Path, cli: Run, tmp_path: Path) -> None:
    """A copy of the recording in which one effect has another value is reported at that event and field."""
    effects = [event for event in events(path) if event.kind == Kind.MEM_WRITE]
    chosen = effects[len(effects) // 2]

    def change(event: Event) -> Event:
        return event._replace(value=event.value ^ 1 << 8) if event.seq == chosen.seq else event

    changed = rewrite(path, tmp_path / "changed.ntbt", change)
    done = cli("replay", changed, timeout=120)
    assert done.returncode == 1
    recorded, computed = ((chosen.value ^ bit).to_bytes(chosen.size, "little").hex() for bit in (1 << 8, 0))
    assert f"differs at event {chosen.seq}:" in done.stdout
    assert f"data: recorded {recorded}, computed {computed}" in done.stdout


def wait_for_file(recording: Recording, deadline: float) -> None:
    """The recorder makes its file before it starts the guests."""
    while not recording.path.exists():
        assert recording.process.poll() is None, recording.process.communicate()
        if time.monotonic() > deadline:
            pytest.fail("no trace file")
        time.sleep(0.05)
