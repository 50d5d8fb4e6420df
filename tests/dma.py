# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings in which the DMA engine of port 0 copies, for tests of what records and replays them."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from struct import pack

from ntbtrace.capture.engine_port import EnginePort
from ntbtrace.capture.guests.simulated import RAM_BASE, RAM_SIZE, SimulatedMemory
from ntbtrace.capture.port import Port
from ntbtrace.capture.recorder import Recorder
from ntbtrace.event import IrqMode
from tests.device.making import ENGINES
from tests.support import PORTS, recorder

RING, COUNT = RAM_BASE, 8
FROM, TO = RAM_BASE + 0x1_0000, RAM_BASE + 0x20_0000
WINDOW = 0x1000_0000  # port 0's BAR2, which leads to TO in port 2's memory
WINDOW_SIZE = 1 << 19  # as far as its limit
VALID, INT = 1 << 31, 1 << 30
RESET_VAL, START_VAL = 0x1700, 0x174C


class DmaTrace:
    """A recorder whose guests are attached and linked; `engine` is set up as plx_dma_alloc_chan_resources does."""

    def __init__(self, path: Path, hashed: bool = False) -> None:
        self.path = path
        self.recorder: Recorder = recorder(path, hashed, ENGINES)
        self.memories = {number: SimulatedMemory() for number in PORTS}
        self.interrupts = 0
        self.next = 0
        for number in PORTS:
            self._boot(self.recorder.port(number), self.memories[number])
        port = self.recorder.port(0)
        port.bar_write(0, 0x490, 4, port.bar_read(0, 0x490, 4) | 1 << 13)
        port.bar_write(0, 0x498, 4, TO)
        port.bar_write(0, 0x494, 4, WINDOW + WINDOW_SIZE)
        engine = self.recorder.port(0, 1)
        assert isinstance(engine, EnginePort)
        self.engine = engine
        self._boot_engine()

    def _boot(self, port: Port, memory: SimulatedMemory) -> None:
        port.attach(IrqMode.MSI, {})
        port.set_ram(memory, [(RAM_BASE, RAM_SIZE)])
        port.cfg_write(0x18, 4, WINDOW)
        port.cfg_write(0x04, 2, 6)
        port.bar_write(0, 0x400, 4, 2)
        port.bar_write(0, 0x4D0, 4, PORTS.index(port.number))
        port.bar_write(0, 0x4D8, 4, 1)

    def _boot_engine(self) -> None:
        def interrupt(value: int) -> None:
            self.interrupts += 1

        engine = self.engine
        engine.attach(IrqMode.MSI, {}, interrupt)
        engine.cfg_write(0x4A, 2, 1)
        engine.cfg_write(0x04, 2, 6)
        for offset, value in ((0x238, RESET_VAL), (0x214, RING), (0x218, 0), (0x21C, RING), (0x220, COUNT)):
            engine.bar_write(0, offset, 4, value)

    def descriptor(self, size: int, source: int = FROM, destination: int = WINDOW) -> int:
        """Put one into the ring; returns where."""
        place = RING + 16 * self.next
        self.next = (self.next + 1) % COUNT
        data = pack("<IHHII", VALID | INT | size, 0, 0, destination, source)
        assert self.memories[0].write(place, data)
        return place

    def flags(self, place: int) -> int:
        """Of the descriptor there: what the engine wrote back."""
        return int.from_bytes(self.memories[0].read(place, 4) or b"", "little")

    def start(self) -> int:
        """plx_dma_issue_pending; returns the seq of the access."""
        seq = self.recorder.next_seq
        self.engine.bar_write(0, 0x238, 2, START_VAL)
        return seq

    def acknowledge(self) -> None:
        """plx_dma_isr."""
        self.engine.bar_write(0, 0x23E, 2, self.engine.bar_read(0, 0x23E, 2))

    def run(self, between: Callable[[], object] = lambda: None) -> int:
        """Work to the end, with `between` after every piece; returns the pieces."""
        pieces = 0
        while self.engine.work():
            between()
            pieces += 1
        return pieces


def record_copies(path: Path, *, seed: int = 1, copies: int = 12, hashed: bool = False, roll: bool = False) -> Path:
    """Copies of all sorts: through the window, within a guest, to nowhere; the other guest goes on meanwhile."""
    trace, random = DmaTrace(path, hashed), Random(seed)
    places = (FROM, TO, WINDOW, WINDOW + WINDOW_SIZE - 1000, RAM_BASE + RAM_SIZE - 100, 0x5000_0000)

    def between() -> None:
        trace.recorder.port(2).bar_read(0, 0x4C, 4)
        if roll:
            trace.recorder.writer.roll()

    for _ in range(copies):
        size = random.choice((1, 8, 9, 4096, 70_000, 200_000))
        assert trace.memories[0].write(FROM, random.randbytes(size))
        trace.descriptor(size, random.choice(places), random.choice(places))
        trace.start()
        trace.run(between)
        trace.acknowledge()
    for door in trace.recorder.doors.values():
        door.detach("the test is done")
    trace.recorder.close()
    return path
