# SPDX-License-Identifier: GPL-2.0-or-later
"""Function 1 on the wire: its own connection, served by the loop, which works while guests go on."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from struct import pack
from time import perf_counter_ns

import pytest

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.transport.intx import IntxSink
from ntbtrace.capture.transport.mpqemu import Connection
from ntbtrace.event import IrqMode
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from tests.capture.transport.peer import Peer, memfd, open_fds, sysmem
from tests.device.making import ENGINES
from tests.support import recorder, serve

RAM, RING, FROM, TO = 0x10_0000, 0x10_0000, 0x14_0000, 0x18_0000
RAM_BYTES = 1 << 20
BAR0 = 0xFD00_0000
START_VAL = 0x174C


class Wire:
    """Guests at ports 0 and 2, each with NT function and engine; RAM of port 0 in `ram`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = recorder(path, profile=ENGINES)
        self.loop = Loop()
        self.peers: dict[int, Peer] = {}
        self.connections: dict[int, Connection] = {}
        for endpoint, door in self.recorder.doors.items():
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self.connections[endpoint] = Connection(self.loop, door, ours, IrqMode.INTX, IntxSink(self.loop))
            self.peers[endpoint] = Peer(theirs, lambda: serve(self.loop, 3))
        self.ram = memfd(RAM_BYTES)
        self.peers[0].send(sysmem([(RAM, RAM_BYTES, 0)]), [self.ram])
        engine = self.peers[1]
        engine.cfg_write(0x10, BAR0)
        engine.cfg_write(0x04, 6, 2)
        for offset, value in ((0x238, 0x1700), (0x214, RING), (0x218, 0), (0x21C, RING), (0x220, 2048)):
            engine.write(BAR0 + offset, value)

    def copy(self, size: int, count: int = 1) -> None:
        data = pack("<IHHII", 1 << 31 | 1 << 30 | size, 0, 0, TO, FROM) * count
        os.pwrite(self.ram, data, RING - RAM)
        self.peers[1].write(BAR0 + 0x238, START_VAL, 2)

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close("end of test")
        for peer in self.peers.values():
            peer.socket.close()
        os.close(self.ram)
        self.recorder.close()
        self.loop.close()
        with open_trace(self.path) as trace:
            assert Player(trace).run() is None


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path / "a.ntbt")
    yield made
    made.close()


def test_a_copy_through_the_loop(wire: Wire) -> None:
    assert wire.peers[1].cfg_read(0) == 0x87D0_10B5
    data = os.urandom(200_000)
    os.pwrite(wire.ram, data, FROM - RAM)
    wire.copy(len(data))
    serve(wire.loop, 10)
    assert os.pread(wire.ram, len(data), TO - RAM) == data
    assert wire.peers[1].read(BAR0 + 0x23E, 2) & 4


def test_its_memory_map_is_checked_and_closed(wire: Wire) -> None:
    before = open_fds()
    wire.peers[1].send(sysmem([(RAM, 4096, 0)]), [fd := memfd(4096)])
    os.close(fd)
    assert open_fds() == before
    wire.copy(100_000)
    serve(wire.loop, 10)
    assert wire.peers[1].read(BAR0 + 0x23E, 2) & 5 == 4, "the guest's memory is still that of function 0"
    wire.peers[1].send(sysmem([(RAM, 4096, 0)]))
    assert wire.peers[1].gone()
    assert open_fds() <= before


def test_an_engine_whose_connection_ends_works_no_more(wire: Wire) -> None:
    wire.copy(0x7FF_FFFF)
    assert wire.connections[1].open
    wire.connections[1].close("so")
    count = wire.recorder.next_seq
    serve(wire.loop, 10)
    assert wire.recorder.next_seq == count


def test_the_loop_asks_no_engine_whose_connection_has_ended(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    door, asked = wire.recorder.doors[1], []
    wire.connections[1].close("so")
    monkeypatch.setattr(door, "work", lambda: asked.append(None))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        again = Connection(wire.loop, door, ours, IrqMode.INTX, IntxSink(wire.loop))
        serve(wire.loop, 3)
        assert asked
        again.close("so")
        asked.clear()
        serve(wire.loop, 3)
    assert not asked


def test_a_model_that_raises_at_work_ends_its_own_connection(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(budget: int) -> None:
        raise RuntimeError("mine")

    monkeypatch.setattr(wire.recorder.doors[1].endpoint, "work", broken)
    wire.copy(4)
    assert [wire.connections[n].open for n in (0, 1, 16, 17)] == [True, False, True, True]
    wire.peers[16].cfg_read(0)


def test_other_guests_are_served_while_an_engine_works(wire: Wire) -> None:
    """2,000 descriptors of 60,000 bytes: what another guest waits for is one piece."""
    wire.copy(60_000, count=2000)
    times = []
    for _ in range(200):
        wire.peers[16].socket.send(pack("=i4xQIIi", 3, 12, 0, 0, 4))
        start = perf_counter_ns()
        serve(wire.loop, 1)
        times.append(perf_counter_ns() - start)
        assert wire.peers[16].socket.recv(4096)
    engine = wire.recorder.doors[1].endpoint
    assert engine.regs[0x238 // 4] & 1 << 30, "it still runs"
    assert median(times) < 2_000_000
    wire.peers[1].write(BAR0 + 0x238, 2)
