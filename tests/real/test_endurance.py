# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver is reloaded, a guest restarts, again and again: the link comes back, and the recorder does not grow."""

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ntbtrace.event import Event, Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run, no_oops, replays
from tests.real.test_perf import wait_for_file

RELOADS, REBOOTS = 50, 5
GROWTH = 3 << 19  # bytes, twice what first uses of buffers take; a descriptor or a mapping is never one more


class Held(NamedTuple):
    """What a process holds: file descriptors, mappings of guest memory, bytes of its own."""

    fds: int
    guest_mappings: int
    memory: int

    @staticmethod
    def by(pid: int) -> "Held":
        process = Path(f"/proc/{pid}")
        memory = re.search(r"RssAnon:\s+(\d+) kB", (process / "status").read_text())
        assert memory is not None
        maps = (process / "maps").read_text()
        return Held(len(list((process / "fd").iterdir())), maps.count("memfd:"), int(memory[1]) << 10)


def said(recording: Recording, port: int, text: bytes) -> Iterator[Event]:
    """Follow the recording: each time that the guest at the port says so."""
    deadline = time.monotonic() + 280
    wait_for_file(recording, deadline)
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        if event.kind == Kind.CONSOLE and port_of(event.endpoint) == port:
            data = event.data or b""
            assert b"ntbtrace: fail" not in data
            if data.startswith(text):
                yield event
    raise AssertionError(f"port {port} did not say {text!r} in time")


def end(recording: Recording, cli: Run) -> None:
    recording.process.send_signal(signal.SIGINT)
    recording.process.communicate(timeout=60)
    no_oops(recording.path)
    replays(recording.path, cli)


def no_growth(before: Held, after: Held) -> None:
    assert after.fds <= before.fds
    assert after.guest_mappings <= before.guest_mappings
    assert after.memory - before.memory < GROWTH, (before, after)


def test_fifty_reloads(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("reload.ntbt", "--workload", "reload", "--count", str(RELOADS), "--append", "ntbtrace.stay=1")
    next(said(recording, 0, b"ntbtrace: run"))
    before = Held.by(recording.process.pid)
    next(said(recording, 0, b"ntbtrace: stay"))
    no_growth(before, Held.by(recording.process.pid))
    result = next(said(recording, 2, b"ntbtrace: result"))
    assert result.data == b"ntbtrace: result reloads=%d" % RELOADS
    end(recording, cli)
    enabled: Counter[int] = Counter()
    with open_trace(recording.path) as trace:
        for event in trace:
            if event.kind == Kind.MMIO_WRITE and trace.registers.name(event.target) == "NTCTL":
                enabled[event.value] += port_of(event.endpoint) == 0
    assert enabled[2] == 1 + RELOADS  # CPEN: the link of each time


def test_five_reboots_under_traffic(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("reboot.ntbt", "--workload", "reboot", "--count", str(REBOOTS), "--append", "ntbtrace.stay=1")
    rounds = said(recording, 0, b"ntbtrace: again")  # each after ping-pong with port 2
    next(rounds)
    before = Held.by(recording.process.pid)
    for _ in range(REBOOTS):
        next(rounds)
    next(said(recording, 0, b"ntbtrace: stay"))
    no_growth(before, Held.by(recording.process.pid))
    end(recording, cli)
    boots, resets, bells = [], set(), set()
    with open_trace(recording.path) as trace:
        for event in trace:
            port = port_of(event.endpoint)
            if event.kind == Kind.CONSOLE and port == 0 and (event.data or b"").startswith(b"ntbtrace: boot"):
                boots.append(event.seq)
            elif event.kind == Kind.RESET and port == 0:
                resets.add(len(boots))
            elif event.kind == Kind.IRQ and port == 2:
                bells.add(len(boots))
    assert len(boots) == 1 + REBOOTS
    assert resets >= set(range(1 + REBOOTS))  # before the first boot, and after each but the last
    assert bells >= set(range(1, 2 + REBOOTS))
